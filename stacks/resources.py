"""The one door to cdktf: stacks, resources, variables and outputs, typed and thin.

Nothing else in hotadd imports cdktf, so this module is also the seam for `cdktn`, the community's continuation.
Prebuilt AWS bindings are not used: importing them costs 10 to 15 s and up to 1.6 GB a synth, plain cdktf about 1 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stacks.jsii_node import choose_node

choose_node()

import cdktf  # noqa: E402  (its import starts Node, which must have been chosen by then)

from stacks.attributes import Attributes, Expression, Provider  # noqa: E402
from stacks.syntax import Lifecycle, Reference, Validation, fields_written, lifecycle_written, written  # noqa: E402

TERRAFORM = ">= 1.11.0"


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
            element.add_override("lifecycle", lifecycle_written(lifecycle))
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
