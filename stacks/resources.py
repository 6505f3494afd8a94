"""The one door to cdktf: stacks, resources, variables and outputs, typed and thin.

Nothing else in hotadd imports cdktf, so this module is also the seam for `cdktn`, the community's continuation.
Prebuilt AWS bindings are not used: importing them costs 10 to 15 s and up to 1.6 GB a synth, plain cdktf about 1 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
        self._stacks: list[Stack] = []

    def stack(self, name: str, provider: Provider, provider_version: str) -> Stack:
        """A new stack that uses the AWS provider."""
        self._stacks.append(Stack(self._app, name, provider, provider_version))
        return self._stacks[-1]

    def synth(self) -> None:
        """Write ``stacks/<name>/cdk.tf.json`` for each stack, and the manifest that cdktf-cli reads."""
        for stack in self._stacks:
            stack.finish()
        self._app.synth()


class Stack:
    """One Terraform root module.

    Each resource is a construct, but what stands inside goes to cdktf in one override a stack: every call to jsii is
    a message to Node and back, and one a value would make 500 machines take half a minute longer.
    """

    def __init__(self, app: cdktf.App, name: str, provider: Provider, provider_version: str) -> None:
        self._stack = cdktf.TerraformStack(app, name)
        source = {"source": "hashicorp/aws", "version": provider_version}
        self._terraform: dict[str, Any] = {"required_version": TERRAFORM, "required_providers": {"aws": source}}
        self._blocks: dict[str, Any] = {"provider": {"aws": [fields_written(provider)]}}

    def local_backend(self, path: Path) -> None:
        """Keep the state in a file."""
        cdktf.LocalBackend(self._stack, path=str(path))

    def s3_backend(self, *, bucket: str, key: str, region: str, settings: Mapping[str, object]) -> None:
        """Keep the state in an S3 object. `settings` are further settings of the backend, under Terraform's names."""
        cdktf.S3Backend(self._stack, bucket=bucket, key=key, region=region)
        # cdktf 0.21 knows no use_lockfile yet.
        self._terraform["backend"] = {"s3": written(settings)}

    def resource(
        self,
        name: str,
        attributes: Attributes,
        *,
        count: Expression | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> Reference:
        """Declare a resource ``<type>.<name>``. Names are unique in a stack, whatever the type."""
        cdktf.TerraformResource(self._stack, name, terraform_resource_type=attributes.TYPE)
        block = fields_written(attributes)
        if count is not None:
            block["count"] = written(count)
        if lifecycle is not None:
            block["lifecycle"] = lifecycle_written(lifecycle)
        self._blocks.setdefault("resource", {}).setdefault(attributes.TYPE, {})[name] = block
        return Reference(f"{attributes.TYPE}.{name}")

    def data(self, name: str, attributes: Attributes) -> Reference:
        """Declare a data source ``data.<type>.<name>``."""
        cdktf.TerraformDataSource(self._stack, name, terraform_resource_type=attributes.TYPE)
        self._blocks.setdefault("data", {}).setdefault(attributes.TYPE, {})[name] = fields_written(attributes)
        return Reference(f"data.{attributes.TYPE}.{name}")

    def variable(
        self, name: str, type_: str, default: object, description: str, validations: Sequence[Validation] = ()
    ) -> Expression:
        """Declare an input variable. Its default is a literal."""
        # No construct: an output may have the same name, and constructs need distinct ones.
        block: dict[str, Any] = {
            "type": type_,
            "default": written(default),
            "description": description,
            "nullable": False,
        }
        if validations:
            block["validation"] = [fields_written(rule) for rule in validations]
        self._blocks.setdefault("variable", {})[name] = block
        return Expression(f"var.{name}")

    def output(self, name: str, value: object, description: str) -> None:
        """Declare an output."""
        cdktf.TerraformOutput(self._stack, name, value="", description=description)
        self._blocks.setdefault("output", {})[name] = {"value": written(value)}

    def finish(self) -> None:
        """Hand over what was declared."""
        for name, block in {"terraform": self._terraform, **self._blocks}.items():
            self._stack.add_override(name, block)
