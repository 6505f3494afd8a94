"""A Terraform state file (format version 4) as it lies there, read without Terraform: for plans that must be quick."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from runner.terraform.plan import tainted_of
from runner.terraform.project import outputs_of
from schemas.errors import HotaddError
from schemas.outputs import Outputs

_VERSION = 4

Attributes = Mapping[str, object]


class StateUnreadable(HotaddError):
    """The state is there and is not one that can be read."""

    def __init__(self, where: str, fault: str) -> None:
        super().__init__(
            f"The Terraform state {where} cannot be read: {fault}.",
            "Restore it from its backup (terraform.tfstate.backup, or the bucket's versions).",
        )
        self.where = where
        self.fault = fault


@dataclass(frozen=True)
class StateFile:
    """What a state holds: managed resources (address to attributes), which of them are tainted, and the outputs.

    Without a state, `lineage` is empty and `serial` 0.
    """

    lineage: str
    serial: int
    resources: Mapping[str, Attributes]
    tainted: frozenset[str]
    outputs: Outputs | None


NO_STATE = StateFile("", 0, {}, frozenset(), None)


def parse_state(data: bytes, where: str) -> StateFile:
    """The state in `data`; nothing (no file, or the empty one that a killed apply leaves) is `NO_STATE`.

    Raises `StateUnreadable`, and `DocumentDamaged` for outputs that are not of our contract.
    """
    if not data.strip():
        return NO_STATE
    try:
        document = json.loads(data)
        if document["version"] != _VERSION:
            raise StateUnreadable(where, f"it has format version {document['version']}, not {_VERSION}")
        resources = {
            f"{r['type']}.{r['name']}" + ("" if "index_key" not in i else f"[{json.dumps(i['index_key'])}]"): dict(
                i["attributes"]
            )
            for r in document.get("resources") or []
            if r["mode"] == "managed"
            for i in r["instances"]
        }
        values = {name: output["value"] for name, output in (document.get("outputs") or {}).items()}
        lineage, serial = str(document["lineage"]), int(document["serial"])
        tainted = tainted_of(data.decode())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateUnreadable(where, f"it is not in Terraform's form ({type(error).__name__})") from error
    return StateFile(lineage, serial, resources, tainted, outputs_of(values, where))
