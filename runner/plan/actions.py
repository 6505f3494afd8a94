"""Terraform's changes in a reviewer's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from runner.terraform.guard import ATTACHMENT, INSTANCE, VOLUME
from runner.terraform.plan import Change
from runner.terraform.prediction import StackText, declared_only
from runner.terraform.statefile import Attributes
from schemas.naming import address
from schemas.plan import PlannedAction, Verb
from schemas.spec import Disk, Spec


def planned_action(change: Change, spec: Spec, stack: StackText, resources: Mapping[str, Attributes]) -> PlannedAction:
    """A change as a plan for review says it. `resources` are those before it."""
    attributes = declared_only(change, stack.declared)
    verb = _verb(change)
    detail = _change_in_words(change, attributes, stack, resources) if attributes else _what(change, spec, stack)
    return PlannedAction(change.address, change.type, verb, change.actions, attributes, detail)


def _verb(change: Change) -> Verb:
    if change.replaces:
        return "replace"
    if change.actions == ("create",):
        return "attach" if change.type == ATTACHMENT else "launch" if change.type == INSTANCE else "create"
    if change.actions == ("delete",):
        return "detach" if change.type == ATTACHMENT else "destroy"
    return "update"


def _what(change: Change, spec: Spec, stack: StackText) -> str:
    """The resource in words: what it is of, how large, where."""
    name = change.address.split("[")[0].partition(".")[2]
    disk = next((d for d in spec.source.disks if _of(name, d)), None)
    if change.type == INSTANCE:
        return f"{spec.destination.instance_type} from {spec.destination.shell_ami}"
    if disk is None:
        return ""
    if change.type == VOLUME:
        encrypted = "encrypted" if spec.destination.volume.encrypted else "NOT encrypted"
        return f"disk {disk.id}, {disk.size_gib} GiB {spec.destination.volume.type}, {encrypted}"
    if name.startswith("staging_"):
        return f"disk {disk.id}, access node {stack.access_node_id or '(not deployed)'}, {stack.slots.get(disk.id, '')}"
    return f"disk {disk.id}, destination" + (f", {stack.root_device}" if disk.boot else "")


def _of(name: str, disk: Disk) -> bool:
    return name in (address(disk.id), f"staging_{address(disk.id)}", f"target_{address(disk.id)}")


def _change_in_words(
    change: Change, attributes: tuple[str, ...], stack: StackText, resources: Mapping[str, Attributes]
) -> str:
    known = resources.get(change.address, {})
    block = next(b for b in stack.blocks if b.address == change.address.split("[")[0])
    return ", ".join(f"{name} {_short(known.get(name))} to {_short(block.arguments.get(name))}" for name in attributes)


def _short(value: object) -> str:
    """A value in a few characters; tags and the like are named, not shown."""
    if isinstance(value, dict):
        return f"({len(value)} entries)"
    if isinstance(value, list):
        return "(" + ", ".join(map(str, value))[:60] + ")"
    return "nothing" if value is None else str(value)[:60]
