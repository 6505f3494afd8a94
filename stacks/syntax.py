"""Terraform's JSON syntax: values, references, lifecycle and validation blocks. Pure; `resources` hands it to cdktf."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.attributes import Expression


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


def lifecycle_written(lifecycle: Lifecycle) -> dict[str, Any]:
    """The lifecycle block; what is not set is left out."""
    block: dict[str, Any] = {}
    if lifecycle.prevent_destroy:
        block["prevent_destroy"] = True
    if lifecycle.ignore_changes:
        block["ignore_changes"] = list(lifecycle.ignore_changes)
    return block
