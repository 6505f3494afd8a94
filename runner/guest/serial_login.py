"""A login on the serial console, the one that EC2 shows. Pure.

systemd starts a getty on the kernel's console by itself (systemd-getty-generator(8)), and so does RHEL 6's Upstart
(/etc/init/serial.conf, on an event of udev's). SysV init and Ubuntu's Upstart must be told.
"""

from __future__ import annotations

import re

from runner.guest import init
from runner.guest.edits import Write
from runner.guest.facts import GuestFacts

INITTAB = "/etc/inittab"
_UPSTART_TTY = "/etc/init/tty1.conf"  # Ubuntu's; RHEL 6 has one tty.conf for all
_UPSTART_SERIAL = "/etc/init/ttyS0.conf"
# With Upstart, inittab is empty or, on RHEL 6, says the default run level alone.
_STARTS_GETTYS = re.compile(r"^[^#\n]*:respawn:", re.MULTILINE)
# Ubuntu's own tty1.conf, for another terminal.
_JOB = """\
# Written by hotadd: a login on the serial console, the one that EC2 shows.
start on stopped rc RUNLEVEL=[2345]
stop on runlevel [!2345]
respawn
exec /sbin/getty -L 115200 ttyS0 vt102
"""
FILES = (INITTAB, _UPSTART_TTY, _UPSTART_SERIAL)
PATHS = init.SYSTEMD


def decide(facts: GuestFacts) -> list[Write]:
    """A getty on ttyS0, unless there is one or systemd is the init."""
    why = "a login on the serial console, the one that EC2 shows"
    if init.is_systemd(facts):
        return []
    text = facts.text(INITTAB)
    if text is not None and _STARTS_GETTYS.search(text) and "ttyS0" not in text:
        line = "T0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100\n"
        return [Write(INITTAB, text + line, why, keep=True)]
    if facts.text(_UPSTART_TTY) is not None and facts.text(_UPSTART_SERIAL) is None:
        return [Write(_UPSTART_SERIAL, _JOB, why)]
    return []
