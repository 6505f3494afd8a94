"""multipath-tools: what it remembers of VMware's disks. Pure.

multipath(8) writes the identifiers of disks it has claimed to wwids and their names (mpatha) to bindings. EC2's disks
have others; with the old ones there, a name can go to another disk than before.
"""

from __future__ import annotations

import re

from runner.guest.edits import Aside, Note, Step
from runner.guest.facts import GuestFacts

DIRECTORY = "/etc/multipath"
_REMEMBERED = (f"{DIRECTORY}/wwids", f"{DIRECTORY}/bindings")
# RHEL 5 and SLES 11 kept them here.
_BEFORE = ("/var/lib/multipath/wwids", "/var/lib/multipath/bindings")

_CONFIG = "/etc/multipath.conf"
# multipath.conf(5), section multipaths: settings and an alias for the one disk with this identifier. Bounded: a hostile
# file that opens and never closes would be read again from every opening.
_ONE_DISK = re.compile(r"^[ \t]*multipath\s{0,9}\{[^}]{0,2000}\bwwid\s{1,99}\"?([^\s\"}]+)", re.MULTILINE)

FILES = (*_REMEMBERED, *_BEFORE, _CONFIG)


def decide(facts: GuestFacts) -> list[Step]:
    """What is remembered aside, where it says something: the guest makes it anew. What was configured is told."""
    steps: list[Step] = [
        Aside(path, "it remembers VMware's disks") for path in (*_REMEMBERED, *_BEFORE) if _entries(facts.text(path))
    ]
    configured = _ONE_DISK.findall("\n".join(_entries(facts.text(_CONFIG))))
    if configured:
        steps.append(Note(_CONFIG, f"its settings for {', '.join(sorted(configured))} match no disk of EC2"))
    return steps


def _entries(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if line.strip() and not line.startswith("#")]
