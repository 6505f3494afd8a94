"""Defaults of a machine stack's variables: what its state says, or else what a machine that was never deployed has.

So a plain `cdktf deploy` or `diff` of a machine that exists changes nothing, in every phase (ADR 3).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import Refused
from schemas.naming import address
from schemas.outputs import Phase
from schemas.slots import give_out
from schemas.spec import Spec
from stacks.state import MachineState

ROOT_DEVICE = "/dev/xvda"


class DiskGone(Refused):
    """The state holds a disk that the spec does not name: to go on would be to plan its deletion."""

    def __init__(self, replication: str, disks: tuple[str, ...]) -> None:
        count = "the disk" if len(disks) == 1 else "the disks"
        super().__init__(
            f"The state of {replication} holds {count} {', '.join(disks)}, which the spec lacks.",
            "Put it back into the spec; to remove the whole replica, set `decommission: true`.",
        )
        self.replication = replication
        self.disks = disks


@dataclass(frozen=True)
class Defaults:
    """Defaults of the variables `phase`, `launched`, `slots` (disk id to device name) and `root_device`."""

    phase: Phase
    launched: bool
    slots: dict[str, str]
    root_device: str


def defaults(spec: Spec, state: MachineState | None) -> Defaults:
    """The defaults for a spec, given its state. Raises `DiskGone`, and `TooManyDisks` when slots run out."""
    ids = [disk.id for disk in spec.source.disks]
    if state is None:
        return Defaults("detached", False, give_out(spec.source.os, ids), ROOT_DEVICE)
    known = {address(disk) for disk in ids}
    gone = tuple(disk for at, disk in state.disks.items() if at not in known)
    if gone and not spec.decommission:
        raise DiskGone(spec.name, gone)
    kept = {disk: slot for disk, slot in state.slots.items() if disk in ids}
    new = give_out(spec.source.os, [disk for disk in ids if disk not in kept], taken=kept.values())
    given = {**kept, **new}
    return Defaults(state.phase, state.launched, {disk: given[disk] for disk in ids}, state.root_device or ROOT_DEVICE)
