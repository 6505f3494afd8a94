"""VMware's tools: not started on EC2, and not removed, so that the guest's package manager and a way back stay whole.

open-vm-tools of the distributions, and VMware's own vmware-tools with its init script and Upstart jobs. Pure.
"""

from __future__ import annotations

import re

from runner.guest import init
from runner.guest.edits import Aside, Link, Move, Step, Write
from runner.guest.facts import GuestFacts

_WHY = "VMware's tools have no host to talk to on EC2"
# Debian and Ubuntu: open-vm-tools, vgauth; RHEL, SLES: vmtoolsd, vgauthd; VMware's own: vmware-tools*.
UNITS = tuple(
    f"{name}.service"
    for name in (
        *("open-vm-tools", "vgauth", "vmtoolsd", "vgauthd"),
        *("vmware-tools", "vmware-tools-thinprint"),
    )
)
_SHIPPED = ("/lib/systemd/system", "/usr/lib/systemd/system")
_LOCAL = "/etc/systemd/system"
_NULL = "/dev/null"
# VMware's init script, which systemd makes a unit of the same name from (systemd-sysv-generator(8)).
_SCRIPTS = ("vmware-tools", "vmware-tools-thinprint", "open-vm-tools", "vmtoolsd")
_INIT_SCRIPTS = tuple(f"/etc/init.d/{name}" for name in _SCRIPTS)
_RUN_LEVELS = tuple(f"/etc/rc{level}.d" for level in "2345")
_STARTED = re.compile(r"(/etc/rc[2-5]\.d)/S([0-9]{2})(.+)")
_UPSTART = "/etc/init"

FILES = tuple(f"{_LOCAL}/{unit}" for unit in UNITS)
DIRECTORIES = (
    *((directory, rf"S[0-9]{{2}}({'|'.join(_SCRIPTS)})") for directory in _RUN_LEVELS),
    (_UPSTART, r"vmware-tools(-thinprint)?\.(conf|override)"),
)
PATHS = (*(f"{directory}/{unit}" for directory in _SHIPPED for unit in UNITS), *_INIT_SCRIPTS, *init.SYSTEMD)
LINKS = tuple(f"{_LOCAL}/{unit}" for unit in UNITS)


def decide(facts: GuestFacts) -> list[Step]:
    """The steps after which no init starts them."""
    if init.is_systemd(facts):
        return _masked(facts)
    return [*_stopped(facts), *_manual(facts)]


def _masked(facts: GuestFacts) -> list[Step]:
    """systemctl(1), mask: a link from the unit's name in /etc to /dev/null, which nothing can start."""
    steps: list[Step] = []
    for unit in UNITS:
        local, script = f"{_LOCAL}/{unit}", f"/etc/init.d/{unit.removesuffix('.service')}"
        target = facts.link(local)
        own = target is None and facts.text(local) is not None
        if own:
            steps.append(Aside(local, f"{_WHY}, and a mask takes its place"))
        known = {script, *(f"{directory}/{unit}" for directory in _SHIPPED)} & set(facts.paths)
        if (known or own) and target != _NULL:
            steps.append(Link(local, _NULL, f"{_WHY}: the unit is masked"))
    return steps


def _stopped(facts: GuestFacts) -> list[Step]:
    """SysV init: K in the place of S, as chkconfig(8) and update-rc.d(8) disable a script; their numbers add up."""
    found = [_STARTED.fullmatch(file.path) for directory in _RUN_LEVELS for file in facts.files_in(directory)]
    return [
        Move(match[0], f"{match[1]}/K{(100 - int(match[2])) % 100:02}{match[3]}", f"{_WHY}: not started")
        for match in found
        if match
    ]


def _manual(facts: GuestFacts) -> list[Step]:
    """init(5) of Upstart: a file .override beside the job whose stanza `manual` takes its start away."""
    steps: list[Step] = []
    for job in facts.files_in(_UPSTART, ".conf"):
        override = job.path.removesuffix(".conf") + ".override"
        text = facts.text(override) or ""
        if "vmware" in job.path and "manual" not in text.split():
            steps.append(Write(override, f"{text}manual\n", f"{_WHY}: not started"))
    return steps
