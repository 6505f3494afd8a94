"""Slots given out on an access node: two machines can share one, so they are given out under the node's lock.

What is attached is seen in EC2; what was given out and is not attached yet stands in a file of the node's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable

from runner.atomic import write_atomically
from runner.aws.instances import Instance, TypeLimits
from runner.home import state_directory
from schemas.slots import TooManyDisks, give_out
from schemas.spec import Spec


def reserve(spec: Spec, node: Instance, limits: TypeLimits, kept: dict[str, str]) -> dict[str, str]:
    """Give each disk a slot on the node. `kept` are slots that the replication holds in EC2 already.

    Raises `TooManyDisks` when the guest's slots, or what the node's type takes, run out, with the numbers.
    """
    directory = state_directory() / "nodes"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"{node.id}.json"
    lock = os.open(directory / f"{node.id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reserved: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
        reserved.pop(spec.name, None)
        others = {slot for slots in reserved.values() for slot in slots.values()}
        attached = {name.removeprefix("/dev/") for name in node.devices} - set(kept.values())
        ids = [disk.id for disk in spec.source.disks]
        _check_room(len(ids), node, limits, attached | others)
        slots = {**give_out(spec.source.os, [d for d in ids if d not in kept], attached | others), **kept}
        write_atomically(path, json.dumps({**reserved, spec.name: slots}, sort_keys=True) + "\n")
        return slots
    finally:
        os.close(lock)


def release_slots(spec: Spec, node_id: str) -> None:
    """Give the replication's slots on a node back."""
    directory = state_directory() / "nodes"
    path = directory / f"{node_id}.json"
    if not path.exists():
        return
    lock = os.open(directory / f"{node_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reserved: dict[str, dict[str, str]] = json.loads(path.read_text())
        reserved.pop(spec.name, None)
        write_atomically(path, json.dumps(reserved, sort_keys=True) + "\n")
    finally:
        os.close(lock)


def _check_room(disks: int, node: Instance, limits: TypeLimits, taken: Iterable[str]) -> None:
    """EbsInfo.MaximumEbsAttachments, less network interfaces beyond the first where they share, less what is there.

    Source: "Amazon EBS volume limits for Amazon EC2 instances". Instance-store disks are out of that number already.
    """
    interfaces = max(0, node.interfaces - 1) if limits.shared_with_interfaces else 0
    room = limits.volumes - interfaces
    used = len(set(taken))
    if disks > room - used:
        raise TooManyDisks(disks, room, f"the access node {node.id} ({limits.type})", used)
