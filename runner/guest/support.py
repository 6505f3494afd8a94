"""Which guest of the support matrix this is: its release from its own files, its row. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.guest.facts import GuestFacts, TextFile
from schemas.guests import LinuxRow, WindowsRow, linux_row, windows_row

OS_RELEASE = "/etc/os-release"
# Before os-release (systemd 183, 2012): RHEL 6 and CentOS 6 have these alone. Oracle Linux says in redhat-release that
# it is Red Hat's, so the more special file comes first.
_RELEASE_FILES = ("/etc/oracle-release", "/etc/centos-release", "/etc/redhat-release")
_DEBIAN = "/etc/debian_version"
_SUSE = "/etc/SuSE-release"
FILES = (OS_RELEASE, *_RELEASE_FILES, _DEBIAN, _SUSE)

_RELEASE_LINE = re.compile(r"(.+?) (?:Linux )?release ([0-9][0-9.]*)")
_IDS = (("Red Hat Enterprise", "rhel"), ("CentOS", "centos"), ("Oracle", "ol"), ("Fedora", "fedora"))


@dataclass(frozen=True)
class Release:
    """A distribution's release: ID and VERSION_ID as os-release has them, and its name in full."""

    id: str
    version: str
    product: str


def release(files: tuple[TextFile, ...]) -> Release:
    """The release that a guest's files tell; empty ID and version when they tell none."""
    texts = {file.path: file.text for file in files}
    if (text := texts.get(OS_RELEASE)) is not None:
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
        told = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
        return Release(told.get("ID", ""), told.get("VERSION_ID", ""), told.get("PRETTY_NAME", "an unknown Linux"))
    for path in _RELEASE_FILES:
        line = (texts.get(path) or "").strip().partition("\n")[0]
        if match := _RELEASE_LINE.match(line):
            name = next((found for start, found in _IDS if match[1].startswith(start)), "")
            return Release(name, match[2], line)
    if (text := texts.get(_SUSE)) is not None:
        numbers = dict(re.findall(r"^(VERSION|PATCHLEVEL) *= *([0-9]+)", text, re.MULTILINE))
        name = "sles" if text.startswith("SUSE Linux Enterprise Server") else "suse"
        return Release(name, ".".join(numbers.values()), text.partition("\n")[0])
    debian = texts.get(_DEBIAN, "").strip()
    return Release("debian", debian, f"Debian {debian}") if debian else Release("", "", "an unknown Linux")


def row_of(facts: GuestFacts) -> LinuxRow | WindowsRow | None:
    """The guest's row of the matrix; None when it has none."""
    if facts.os == "linux":
        return linux_row(facts.distribution, facts.version)
    if facts.registry is None:
        return None
    known = facts.registry.release
    return windows_row(known.build, known.installation, known.edition)
