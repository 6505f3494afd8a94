"""The room that a decision takes: text files in /etc, new initramfs beside the old ones in /boot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from runner.guest.edits import Copy, Decision, Note, Rebuild, Step
from runner.guest.facts import GuestFacts
from runner.guest.families import drivers

# Where a new initramfs is until its listing was checked: in the appliance's memory (see apply), so that /boot, which is
# small, needs no room for two.
BUILT = "/var/tmp/hotadd-initramfs"
_MIB = 1024 * 1024
_EDIT_BYTES = 1 * _MIB  # all text files together, twice
_LOADER_BYTES = 4 * _MIB  # GRUB for UEFI with all its modules has 3
_DRIVER_BYTES = 8 * _MIB


def by_drivers(old: int) -> int:
    """The bytes of an initramfs that is rebuilt as it was, with a few drivers more."""
    return old + _DRIVER_BYTES if old else for_every_machine(0)


def for_every_machine(old: int) -> int:
    """The bytes of one that was made for a single machine: two to three times as many, and all file systems."""
    return max(3 * old, 64 * _MIB)


def plan(facts: GuestFacts, steps: Sequence[Step], rebuilds: Sequence[Rebuild], size: Callable[[int], int]) -> Decision:
    """The decision with the bytes that it needs.

    Where /boot has no room for it the old initramfs is not kept, and then the fallback kernel's not rebuilt: a note
    tells of every kernel that is left as it is. `size` tells the bytes of a new initramfs from those of the old one.
    """
    needs: dict[str, int] = {}

    def take(path: str, count: int) -> None:
        point = facts.mount_of(path).point
        needs[point] = needs.get(point, 0) + count

    if steps:
        take("/etc", _EDIT_BYTES)
    for step in steps:
        if isinstance(step, Copy):
            take(step.path, _LOADER_BYTES)
    if rebuilds:
        mount = facts.mount_of("/boot")
        free = mount.free - needs.get(mount.point, 0)
        bare = [replace(rebuild, keep=False) for rebuild in rebuilds]
        ways = (rebuilds, bare, rebuilds[:1], bare[:1])
        rebuilds = next((way for way in ways if _peak(facts, way, size) <= free), bare[:1])
        take("/boot", _peak(facts, rebuilds, size))
    return Decision((*steps, *rebuilds, *_notes(facts, rebuilds)), tuple(needs.items()))


def _peak(facts: GuestFacts, rebuilds: Sequence[Rebuild], size: Callable[[int], int]) -> int:
    """The most bytes in use at once beyond today's. A tool that makes no `built` writes beside the old image."""
    sizes = {kernel.version: kernel.packed_bytes for kernel in facts.kernels}
    grown = most = 0
    for rebuild in rebuilds:
        old = sizes[rebuild.kernel]
        most = max(most, grown + size(old) - (old if rebuild.built and not rebuild.keep else 0))
        grown += size(old) - (0 if rebuild.keep else old)
    return max(most, grown)


def _notes(facts: GuestFacts, rebuilds: Sequence[Rebuild]) -> list[Note]:
    rebuilt = [rebuild.kernel for rebuild in rebuilds]
    left = [k for k in facts.kernels if k.version not in rebuilt and k.initramfs and drivers.lacking(k)]
    why = "it lacks EC2's drivers: the default kernel and a fallback are made to boot, this one does not on EC2"
    return [Note(kernel.initramfs, why) for kernel in left] if rebuilds else []
