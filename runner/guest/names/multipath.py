"""multipath-tools: what it remembers of VMware's disks. Pure.

multipath(8) writes the identifiers of disks it has claimed to wwids and their names (mpatha) to bindings. EC2's disks
have others; with the old ones there, a name can go to another disk than before.
"""

from __future__ import annotations

from runner.guest.edits import Aside
from runner.guest.facts import GuestFacts

DIRECTORY = "/etc/multipath"
_REMEMBERED = (f"{DIRECTORY}/wwids", f"{DIRECTORY}/bindings")
# RHEL 5 and SLES 11 kept them here.
_BEFORE = ("/var/lib/multipath/wwids", "/var/lib/multipath/bindings")

FILES = (*_REMEMBERED, *_BEFORE)


def decide(facts: GuestFacts) -> list[Aside]:
    """Both files aside where they say something; the guest makes them anew."""
    return [Aside(path, "it remembers VMware's disks") for path in FILES if _entries(facts.text(path))]


def _entries(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line.strip() and not line.startswith("#")]
