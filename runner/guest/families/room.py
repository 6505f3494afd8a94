"""The room that a decision takes: text files in /etc, new initramfs beside the old ones in /boot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from runner.guest.edits import Copy, Decision, Rebuild, Step
from runner.guest.facts import GuestFacts

NEW = ".hotadd-new"  # what a new initramfs is called until its listing was checked
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
    """The decision with the bytes that it needs; the old initramfs is kept only where there is room for it.

    `size` tells the bytes of a new initramfs from those of the old one.
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
        if needs.get(mount.point, 0) + _peak(facts, rebuilds, size) > mount.free:
            rebuilds = [replace(rebuild, keep=False) for rebuild in rebuilds]
        take("/boot", _peak(facts, rebuilds, size))
    return Decision((*steps, *rebuilds), tuple(needs.items()))


def _peak(facts: GuestFacts, rebuilds: Sequence[Rebuild], size: Callable[[int], int]) -> int:
    """The most bytes in use at once beyond today's: each new image stands beside the old one until it is checked."""
    sizes = {kernel.version: kernel.packed_bytes for kernel in facts.kernels}
    grown = most = 0
    for rebuild in rebuilds:
        old = sizes[rebuild.kernel]
        grown += size(old)
        most = max(most, grown)
        grown -= 0 if rebuild.keep else old
    return most
