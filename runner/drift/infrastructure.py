"""Infrastructure drift out of a refreshing plan: only what the stack declares, without what EC2 computes. Pure.

`resource_changes` go from the world to what the spec declares, `resource_drift` from the state to the world: what
stands in the second was changed by somebody in EC2, what stands in the first alone comes of a spec that was changed
since it was applied. (The exit code of `plan -detailed-exitcode` says 2 for computed attributes too.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from runner.terraform.guard import ATTACHMENT, INSTANCE, VOLUME
from runner.terraform.plan import Change, Difference, Plan
from schemas.drift import Cause, Deviation, Kind
from schemas.manifest import Manifest

# What a stack can set, by type (stacks/attributes.py); everything else is EC2's or the provider's own business.
DECLARED: Mapping[str, frozenset[str]] = {
    INSTANCE: frozenset(
        {
            "availability_zone",
            "iam_instance_profile",
            "instance_type",
            "key_name",
            "metadata_options",
            "subnet_id",
            "tags",
            "vpc_security_group_ids",
        }
    ),
    VOLUME: frozenset(
        {"availability_zone", "encrypted", "iops", "kms_key_id", "size", "tags", "throughput", "type"},
    ),
    ATTACHMENT: frozenset({"device_name", "instance_id", "volume_id"}),
}
# EC2 gives another volume type other values of these by itself.
_WITH_TYPE = frozenset({"iops", "throughput"})
_PARTS = ("tags", "metadata_options")  # shown by their keys


def deviations(plan: Plan) -> tuple[Deviation, ...]:
    """What a refreshing plan says that differs, sorted by address and attribute."""
    in_world = {change.address: change for change in plan.drift}
    found = [d for change in plan.changes for d in _of_change(change, in_world.get(change.address))]
    told = {(d.subject, d.attribute) for d in found}
    planned = {change.address for change in plan.changes if change.actions != ("update",)}
    for change in plan.drift:
        if change.address not in planned:
            found += [d for d in _of_drift(change) if (d.subject, d.attribute) not in told]
    return tuple(sorted(found, key=lambda d: (d.subject, d.attribute)))


def _of_change(change: Change, in_world: Change | None) -> Iterator[Deviation]:
    """From the world as it is to what is declared."""
    moved = {d.attribute for d in in_world.differences} if in_world is not None else set()
    if change.actions == ("create",):
        kind: Kind = "detached" if change.type == ATTACHMENT else "missing"
        gone = in_world is not None and "delete" in in_world.actions
        id_ = in_world.resource_id if in_world is not None else ""
        yield _whole(change, id_, kind, "there", "not there", "world" if gone else "spec")
    elif change.actions == ("delete",):
        yield _whole(change, change.resource_id, "unwanted", "not declared", "there", "spec")
    elif change.actions != ("read",):
        for one in _declared(change):
            cause: Cause = "world" if one.attribute in moved else "spec"
            yield from _changed(change, one.attribute, one.after, one.before, cause)


def _of_drift(change: Change) -> Iterator[Deviation]:
    """From the state to the world: what the spec leaves to EC2 and what was set afterwards all the same."""
    if "delete" in change.actions:
        kind: Kind = "detached" if change.type == ATTACHMENT else "missing"
        yield _whole(change, change.resource_id, kind, "there", "not there", "world")
        return
    names = {one.attribute for one in change.differences}
    for one in _declared(change):
        if one.attribute not in _WITH_TYPE or "type" not in names:
            yield from _changed(change, one.attribute, one.before, one.after, "world")


def _declared(change: Change) -> Iterator[Difference]:
    known = DECLARED.get(change.type, frozenset())
    for one in change.differences:
        # An unset attribute is null for one provider, empty for another.
        if one.attribute in known and not (_is_empty(one.before) and _is_empty(one.after)):
            yield one


def _changed(change: Change, name: str, expected: str, found: str, cause: Cause) -> Iterator[Deviation]:
    """One deviation an attribute; of a map (or a block), one for each key that differs."""
    if name not in _PARTS:
        yield Deviation(change.address, change.resource_id, "changed", name, expected, found, cause)
        return
    wanted, there = _keys(expected), _keys(found)
    for key in sorted({*wanted, *there}):
        if wanted.get(key) != there.get(key):
            pair = (json.dumps(wanted.get(key)), json.dumps(there.get(key)))
            yield Deviation(change.address, change.resource_id, "changed", f"{name}.{key}", *pair, cause)


def _whole(change: Change, id_: str, kind: Kind, expected: str, found: str, cause: Cause) -> Deviation:
    return Deviation(change.address, id_, kind, "", expected, found, cause)


def _keys(text: str) -> dict[str, object]:
    value = json.loads(text)
    if isinstance(value, list):  # a nested block is a list of one
        value = value[0] if value else {}
    return value if isinstance(value, dict) else {}


def _is_empty(text: str) -> bool:
    return text in ("null", '""', "[]", "{}")


def snapshot_deviations(manifests: Iterable[Manifest], states: Mapping[str, str]) -> tuple[Deviation, ...]:
    """Integrity snapshots that are gone or in error. `states` by snapshot id; pruned generations have none."""
    found = []
    for manifest in manifests:
        for disk in manifest.disks if manifest.status != "pruned" else ():
            state = states.get(disk.integrity_snapshot_id, "gone")
            if state in ("completed", "pending"):
                continue
            kind: Kind = "missing" if state == "gone" else "errored"
            subject = f"integrity snapshot of {disk.id}, generation {manifest.generation}"
            found.append(Deviation(subject, disk.integrity_snapshot_id, kind, "", "completed", state, "world"))
    return tuple(found)
