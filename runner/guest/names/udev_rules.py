"""udev rules of the guest's own that know disks by the names or serial numbers VMware gave: told, not changed. Pure.

Oracle ASM is the usual reason: such rules give its disks their names and owners, and without them it finds none.
"""

from __future__ import annotations

import re

from runner.guest.edits import Note
from runner.guest.facts import GuestFacts

DIRECTORY = "/etc/udev/rules.d"
# network/persistent_names.py has the others.
DIRECTORIES = ((DIRECTORY, r"(?!.*persistent-net).+\.rules"),)
# udev(7): KERNEL and ENV are matched by shell patterns. VMware's serial numbers begin with its own prefix, 6000c29.
_DISK = re.compile(r"""KERNEL=="((?:sd|vd|hd)[^"]{0,99})"|"([^"]{0,99}6000[cC]29[^"]{0,99})\"""")


def decide(facts: GuestFacts) -> list[Note]:
    """A note for every file with such rules."""
    notes = []
    for file in facts.files_in(DIRECTORY, ".rules"):
        lines = [line for line in file.text.splitlines() if not line.lstrip().startswith("#")]
        found = [match[1] or match[2] for line in lines for match in _DISK.finditer(line)]
        if found:
            told = ", ".join(dict.fromkeys(found))
            notes.append(Note(file.path, f"its rules for {told} match no disk of EC2"))
    return notes
