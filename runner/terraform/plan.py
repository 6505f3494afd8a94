"""Terraform's plans and states as frozen models: `terraform show -json` (format 1.x), `state pull` (format 4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["no-op", "create", "read", "update", "delete"]


@dataclass(frozen=True)
class Difference:
    """One attribute (top level) before and after, as JSON text; ``null`` where it is unset or not known yet."""

    attribute: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """What a plan does to one resource instance.

    `actions` is Terraform's own list: ("delete", "create") or ("create", "delete") is a replacement. `attributes` are
    the names of the attributes that an update or replacement changes (top level, sorted), `differences` the same with
    their values; `resource_id` is the id before, empty where there is none.
    """

    address: str
    type: str
    actions: tuple[Action, ...]
    attributes: tuple[str, ...]
    importing: bool
    differences: tuple[Difference, ...] = field(default=(), compare=False)
    resource_id: str = field(default="", compare=False)

    @property
    def replaces(self) -> bool:
        """Whether the resource is destroyed and made anew."""
        return "delete" in self.actions and "create" in self.actions


@dataclass(frozen=True)
class Plan:
    """The changes of a plan (without no-ops), whether it errored, and whether outputs change.

    `drift` is what a refresh found changed since the state was written ("resource_drift"): from the state to the world.
    """

    changes: tuple[Change, ...]
    errored: bool
    outputs_change: bool
    drift: tuple[Change, ...] = field(default=(), compare=False)

    @property
    def empty(self) -> bool:
        """Whether applying would change nothing at all."""
        return not self.changes and not self.outputs_change


def parse_plan(text: str) -> Plan:
    """Read `terraform show -json PLAN`."""
    document = json.loads(text)
    outputs = document.get("output_changes", {}).values()
    return Plan(
        changes=tuple(_changes(document.get("resource_changes", []))),
        errored=bool(document.get("errored", False)),
        outputs_change=any(o.get("actions") != ["no-op"] for o in outputs),
        drift=tuple(_changes(document.get("resource_drift", []))),
    )


def _changes(resources: list[dict[str, Any]]) -> Iterator[Change]:
    for resource in resources:
        change = resource["change"]
        actions = tuple(change["actions"])
        if resource.get("mode") == "data" or (actions == ("no-op",) and not change.get("importing")):
            continue
        before, after = change.get("before") or {}, change.get("after") or {}
        unknown = change.get("after_unknown") or {}
        names = {
            name
            for name in {*before, *after, *unknown}
            if before.get(name) != after.get(name) or (unknown.get(name) is True)
        }
        changed = tuple(sorted(names)) if "create" not in actions or "delete" in actions else ()
        yield Change(
            address=resource["address"],
            type=resource["type"],
            actions=actions,
            attributes=changed,
            importing=bool(change.get("importing")),
            differences=differences(before, after, changed),
            resource_id=str(before.get("id") or ""),
        )


def differences(before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]) -> tuple[Difference, ...]:
    """Those attributes before and after."""
    return tuple(
        Difference(name, *(json.dumps(side.get(name), sort_keys=True) for side in (before, after))) for name in names
    )


def tainted_of(state: str) -> frozenset[str]:
    """The addresses of resources that a state marks as tainted: made, but not to their end."""
    return frozenset(
        _place(resource, instance)
        for resource in json.loads(state).get("resources", [])
        for instance in resource.get("instances", [])
        if instance.get("status") == "tainted"
    )


def _place(resource: dict[str, Any], instance: dict[str, Any]) -> str:
    key = instance.get("index_key")
    return f"{resource['type']}.{resource['name']}" + ("" if key is None else f"[{json.dumps(key)}]")


def resources_of(state: str) -> dict[str, str]:
    """Address to id of each managed resource in a state file (`terraform state pull`, format version 4)."""
    found: dict[str, str] = {}
    for resource in json.loads(state).get("resources", []):
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", []):
            found[_place(resource, instance)] = str(instance["attributes"]["id"])
    return found
