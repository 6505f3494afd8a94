"""The one door to cdktf: stacks, resources, variables and outputs, typed and thin.

Nothing else in hotadd imports cdktf, so this module is also the seam for `cdktn`, the community's continuation.
Prebuilt AWS bindings are not used: importing them costs 10 to 15 s and up to 1.6 GB a synth, plain cdktf about 1 s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.jsii_node import choose_node

choose_node()

import cdktf  # noqa: E402  (its import starts Node, which must have been chosen by then)

from stacks.attributes import Attributes, Expression, Provider  # noqa: E402

TERRAFORM = ">= 1.11.0"


@dataclass(frozen=True)
class Validation:
    """A variable's rule: `condition` must hold, or Terraform says `error_message`."""

    condition: Expression
    error_message: str


@dataclass(frozen=True)
class Lifecycle:
    """A resource's lifecycle block."""

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A resource by its address: ``aws_ebs_volume.disk_root``."""

    address: str

    def attribute(self, name: str) -> Expression:
        """One attribute of a resource that exists once."""
        return Expression(f"{self.address}.{name}")


def literal(text: str) -> str:
    """A string that Terraform takes as it is: template markers of the user's text are escaped."""
    return text.replace("${", "$${").replace("%{", "%%{")


def written(value: object) -> Any:
    """A value as Terraform's JSON syntax wants it."""
    match value:
        case Expression(text):
            return f"${{{text}}}"
        case str():
            return literal(value)
        case Mapping():
            return {literal(key): written(item) for key, item in value.items()}
        case list() | tuple():
            return [written(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return fields_written(value)
        case _:
            return value


def fields_written(block: object) -> dict[str, Any]:
    """The fields of a dataclass that are set."""
    assert dataclasses.is_dataclass(block)
    pairs = ((field.name, getattr(block, field.name)) for field in dataclasses.fields(block))
    return {name: written(value) for name, value in pairs if value is not None}


class Program:
    """The CDKTF app: all stacks of one synth, written to a directory."""

    def __init__(self, out: Path) -> None:
        self._app = cdktf.App(outdir=str(out))

    def stack(self, name: str, provider: Provider, provider_version: str) -> Stack:
        """A new stack that uses the AWS provider."""
        return Stack(self._app, name, provider, provider_version)

    def synth(self) -> None:
        """Write ``stacks/<name>/cdk.tf.json`` for each stack, and the manifest that cdktf-cli reads."""
        self._app.synth()


class Stack:
    """One Terraform root module."""

    def __init__(self, app: cdktf.App, name: str, provider: Provider, provider_version: str) -> None:
        self._stack = cdktf.TerraformStack(app, name)
        source = {"source": "hashicorp/aws", "version": provider_version}
        self._stack.add_override("terraform.required_version", TERRAFORM)
        self._stack.add_override("terraform.required_providers", {"aws": source})
        self._stack.add_override("provider", {"aws": [fields_written(provider)]})

    def local_backend(self, path: Path) -> None:
        """Keep the state in a file."""
        cdktf.LocalBackend(self._stack, path=str(path))

    def s3_backend(self, *, bucket: str, key: str, region: str, settings: Mapping[str, object]) -> None:
        """Keep the state in an S3 object. `settings` are further settings of the backend, under Terraform's names."""
        cdktf.S3Backend(self._stack, bucket=bucket, key=key, region=region)
        # cdktf 0.21 knows no use_lockfile yet.
        self._stack.add_override("terraform.backend.s3", written(settings))

    def resource(
        self,
        name: str,
        attributes: Attributes,
        *,
        count: Expression | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> Reference:
        """Declare a resource ``<type>.<name>``."""
        # Two resources of different types may share a name in Terraform; constructs need distinct ids.
        element = cdktf.TerraformResource(
            self._stack, f"{attributes.TYPE}.{name}", terraform_resource_type=attributes.TYPE
        )
        element.override_logical_id(name)
        for key, value in fields_written(attributes).items():
            element.add_override(key, value)
        if count is not None:
            element.add_override("count", written(count))
        if lifecycle is not None:
            rules: dict[str, object] = {}
            if lifecycle.prevent_destroy:
                rules["prevent_destroy"] = True
            if lifecycle.ignore_changes:
                rules["ignore_changes"] = list(lifecycle.ignore_changes)
            if rules:
                element.add_override("lifecycle", rules)
        return Reference(f"{attributes.TYPE}.{name}")

    def data(self, name: str, attributes: Attributes) -> Reference:
        """Declare a data source ``data.<type>.<name>``."""
        element = cdktf.TerraformDataSource(
            self._stack, f"data.{attributes.TYPE}.{name}", terraform_resource_type=attributes.TYPE
        )
        element.override_logical_id(name)
        for key, value in fields_written(attributes).items():
            element.add_override(key, value)
        return Reference(f"data.{attributes.TYPE}.{name}")

    def variable(
        self, name: str, type_: str, default: object, description: str, validations: Sequence[Validation] = ()
    ) -> Expression:
        """Declare an input variable. Its default is a literal."""
        element = cdktf.TerraformVariable(
            self._stack, name, type=type_, default=default, description=description, nullable=False
        )
        if validations:
            element.add_override("validation", [fields_written(rule) for rule in validations])
        return Expression(f"var.{name}")

    def output(self, name: str, value: object, description: str) -> None:
        """Declare an output."""
        # A variable may have the same name; constructs need distinct ids.
        element = cdktf.TerraformOutput(self._stack, f"output.{name}", value=written(value), description=description)
        element.override_logical_id(name)
