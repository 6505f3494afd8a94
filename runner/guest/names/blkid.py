"""The cache of libblkid: devices of VMware by name. Pure.

libblkid(3) keeps it in /run since it has one; before, in /etc, where it outlives the move. Without it every device is
looked at.
"""

from __future__ import annotations

from runner.guest.edits import Aside
from runner.guest.facts import GuestFacts

PATHS = ("/etc/blkid/blkid.tab", "/etc/blkid.tab")


def decide(facts: GuestFacts) -> list[Aside]:
    """The cache aside."""
    return [Aside(path, "libblkid remembers VMware's disks in it") for path in PATHS if path in facts.paths]
