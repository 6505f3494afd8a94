"""A Terraform state file of format version 4, as far as hotadd reads it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.atomic import write_atomically
from tests.applier.expression import UNKNOWN

Address = tuple[str, str, int | None]  # type, name, index


def written(address: Address) -> str:
    """An address as Terraform writes it."""
    kind, name, index = address
    return f"{kind}.{name}" + ("" if index is None else f"[{index}]")


@dataclass
class State:
    """What was applied: attributes by address, and the outputs (name to value)."""

    path: Path
    resources: dict[Address, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    serial: int = 0
    lineage: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def read(cls, path: Path) -> State:
        """The state at `path`; an empty one where there is no file."""
        state = cls(path)
        if not path.exists() or not path.read_bytes():
            return state
        document = json.loads(path.read_text())
        for resource in document["resources"]:
            for instance in resource["instances"]:
                address = (resource["type"], resource["name"], instance.get("index_key"))
                state.resources[address] = instance["attributes"]
        state.outputs = {name: output["value"] for name, output in document["outputs"].items()}
        state.serial, state.lineage = document["serial"], document["lineage"]
        return state

    def write(self) -> None:
        """Write the file in one piece."""
        self.serial += 1
        document = {
            "version": 4,
            "terraform_version": "1.11.4",
            "serial": self.serial,
            "lineage": self.lineage,
            "outputs": {name: {"value": _plain(v), "type": _type(v)} for name, v in sorted(self.outputs.items())},
            "resources": self._resources(),
            "check_results": None,
        }
        write_atomically(self.path, json.dumps(document, indent=2))

    def _resources(self) -> list[dict[str, Any]]:
        grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for (kind, name, index), attributes in sorted(self.resources.items(), key=lambda item: written(item[0])):
            instance: dict[str, Any] = {} if index is None else {"index_key": index}
            instance |= {"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}
            grouped.setdefault((kind, name), []).append(instance)
        provider = 'provider["registry.terraform.io/hashicorp/aws"]'
        return [
            {"mode": "managed", "type": kind, "name": name, "provider": provider, "instances": instances}
            for (kind, name), instances in grouped.items()
        ]


def _plain(value: Any) -> Any:
    """A value as the state holds it: what is unknown, as after an import, is null there."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if value is UNKNOWN else value


def _type(value: Any) -> Any:
    if isinstance(value, dict):
        return ["object", {key: _type(inner) for key, inner in value.items()}]
    return {bool: "bool", int: "number", str: "string"}.get(type(value), "dynamic")
