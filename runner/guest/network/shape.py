"""What the network systems of Linux guests have in common: a fixed address, a system's answers, KEY=value files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from runner.guest.edits import Step
from runner.guest.facts import GuestFacts, TextFile

# Every boot entry says net.ifnames=0 (boot/kernel_line.py): EC2's first interface has this name, on Nitro and on Xen.
INTERFACE = "eth0"
# Interfaces that no network card makes: their addresses mean the same on EC2, and their files stay.
_VIRTUAL = ("lo", "docker*", "virbr*", "lxc*", "lxd*", "veth*", "vnet*", "tun*", "tap*", "wg*", "ppp*", "dummy*", "ib*")
# The kept copy's suffix in directories whose readers take any suffix; each of them passes over a name that ends in "~":
# initscripts' functions (is_ignored_file), NetworkManager's nm_keyfile_utils_ignore_filename and ifcfg-rh's
# utils_should_ignore_file, wicked's __ni_suse_ifcfg_valid_suffix.
BACKUP = ".hotadd~"

# nm-settings-keyfile(5), connection.zone; nm-settings-ifcfg-rh(5) and SUSE's ifcfg(5), ZONE.
_ZONES = (("connection", "zone"), ("", "ZONE"))
_ZONE_NAME = re.compile(r"[A-Za-z0-9_-]{1,17}")  # firewalld.zone(5): at most 17 characters
# Keys of cards that are part of a bond, a bridge or a team: the zone is the whole's, not theirs.
_MEMBER = {"MASTER", "BRIDGE", "TEAM_MASTER", "master", "controller"}


@dataclass(frozen=True)
class Fixed:
    """An address that a file fixes. `line` counts from 1."""

    file: str
    line: int
    name: str
    address: str


@dataclass(frozen=True)
class System:
    """One network system: what to read for it, and what it says about a guest. All functions are pure.

    `is_read`: the system is started at boot. `is_configured`: its files set up a network card. `files_of`: the paths of
    these files. `to_dhcp`: the steps to DHCP on any card, none when it is so. `disable`: the steps that leave no card
    to it. `directories` are (directory, regular expression for the whole name); `paths` are only looked for.
    """

    name: str
    files: tuple[str, ...]
    directories: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]
    is_read: Callable[[GuestFacts], bool]
    is_configured: Callable[[GuestFacts], bool]
    files_of: Callable[[GuestFacts], tuple[str, ...]]
    fixed: Callable[[GuestFacts], list[Fixed]]
    to_dhcp: Callable[[GuestFacts], list[Step]]
    disable: Callable[[GuestFacts], list[Step]]


@dataclass(frozen=True)
class Setting:
    """A line `key=value` of a file, `section` empty before the first `[section]`. Quotes around a value are off."""

    line: int
    section: str
    key: str
    value: str


def settings(file: TextFile) -> Iterator[Setting]:
    """The settings of an ini file or of a shell file of assignments."""
    section = ""
    for number, line in enumerate(file.text.splitlines(), 1):
        said = line.strip()
        if said.startswith("[") and said.endswith("]"):
            section = said[1:-1].strip().lower()
        elif "=" in said and not said.startswith(("#", ";")):
            key, _, value = said.removeprefix("export ").partition("=")
            value = value.strip()
            quoted = re.match(r"""(["'])(.*?)\1""", value)
            yield Setting(number, section, key.strip(), quoted.group(2) if quoted else value)


def zones(file: TextFile) -> list[str]:
    """The zones of firewalld that a file puts its interface into: one at most, unless it repeats the key."""
    return [found.value for found in settings(file) if (found.section, found.key) in _ZONES and found.value]


def common_zone(files: Sequence[TextFile]) -> str:
    """The zone of firewalld that all these files put their interfaces into; empty for the default one.

    Where they differ it is the default one too: what was let in from one network is not let in from another.
    """
    whole = [file for file in files if not _MEMBER & {found.key for found in settings(file)}]
    named = {tuple(zones(file)) for file in whole}
    name = "".join(named.pop()) if len(named) == 1 else ""
    return name if _ZONE_NAME.fullmatch(name) else ""


def is_virtual(name: str) -> bool:
    """Whether an interface of this name is made by software alone."""
    return any(fnmatchcase(name, pattern) for pattern in _VIRTUAL)


def before(fixed: list[Fixed]) -> str:
    """The addresses that a rewrite drops, for the record."""
    return ", ".join(f"{one.name} {one.address}" for one in fixed) or "none fixed"
