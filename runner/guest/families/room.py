"""The room that a decision takes: text files in /etc, new initramfs beside the old ones in /boot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.guest.edits import Decision, Rebuild, Step
from runner.guest.facts import GuestFacts

NEW = ".hotadd-new"  # what a new initramfs is called until its listing was checked
_MIB = 1024 * 1024
_EDIT_BYTES = 1 * _MIB  # all text files together, twice
# An image for every machine is two to three times the size of one for a single machine, and has all file systems.
_GROWTH = 3
_LEAST = 64 * _MIB


def plan(facts: GuestFacts, steps: Sequence[Step], rebuilds: Sequence[Rebuild]) -> Decision:
    """The decision with the bytes that it needs; the old initramfs is kept only where there is room for it."""
    needs: dict[str, int] = {}
    if steps:
        needs[facts.mount_of("/etc").point] = _EDIT_BYTES
    if rebuilds:
        mount = facts.mount_of("/boot")
        before = needs.get(mount.point, 0)
        if before + _peak(facts, rebuilds) > mount.free:
            rebuilds = [replace(rebuild, keep=False) for rebuild in rebuilds]
        needs[mount.point] = before + _peak(facts, rebuilds)
    return Decision((*steps, *rebuilds), tuple(needs.items()))


def _peak(facts: GuestFacts, rebuilds: Sequence[Rebuild]) -> int:
    """The most bytes in use at once beyond today's: each new image stands beside the old one until it is checked."""
    old = {kernel.version: kernel.packed_bytes for kernel in facts.kernels}
    grown = most = 0
    for rebuild in rebuilds:
        grown += max(_GROWTH * old[rebuild.kernel], _LEAST)
        most = max(most, grown)
        grown -= 0 if rebuild.keep else old[rebuild.kernel]
    return most
