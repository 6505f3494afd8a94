"""A login on the serial console, the one that EC2 shows. Pure.

systemd starts a getty on the kernel's console by itself (systemd-getty-generator(8)); SysV init must be told.
"""

from __future__ import annotations

from runner.guest.edits import Write
from runner.guest.facts import GuestFacts

INITTAB = "/etc/inittab"
SYSTEMD = "/lib/systemd/systemd"
FILES = (INITTAB,)
PATHS = (SYSTEMD,)


def decide(facts: GuestFacts) -> list[Write]:
    """A getty on ttyS0 in inittab, unless there is one or systemd is the init."""
    text = facts.text(INITTAB)
    if text is None or SYSTEMD in facts.paths or "ttyS0" in text:
        return []
    line = "T0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100\n"
    return [Write(INITTAB, text + line, "a login on the serial console, the one that EC2 shows", keep=True)]
