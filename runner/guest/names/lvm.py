"""LVM: which devices it looks at. Its volumes' own names last; filters and lists of devices may shut EC2's out. Pure.

lvm.conf(5), filter: the first pattern that matches a name accepts or rejects it, and what matches none is accepted.
lvmdevices(8): where /etc/lvm/devices/system.devices is there, LVM uses no other device than those it lists by VMware's
serial numbers; without it every device is looked at.
"""

from __future__ import annotations

import re

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts

DIRECTORY = "/etc/lvm"
CONFIGS = (f"{DIRECTORY}/lvm.conf", f"{DIRECTORY}/lvmlocal.conf")
DEVICES = f"{DIRECTORY}/devices/system.devices"
# lvmdevices(8): devicesfile names another list in the same directory.
_CACHES = (f"{DIRECTORY}/cache/.cache", f"{DIRECTORY}/.cache")
_FILTER = re.compile(
    r"""^[ \t]*(?:devices/|devices[ \t]*\{[ \t]*)?(?:global_)?filter[ \t]*=[ \t]*
        (?P<list>\[(?:[\s,]|"(?:[^"\\]|\\.)*+"|\#[^\n]*+)*+\]|"(?:[^"\\]|\\.)*+")""",
    re.MULTILINE | re.VERBOSE,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"|#[^\n]*')
# What is understood of an expression: a name, its beginning, end or any part. The guest's are not run: one may not end.
_PLAIN = re.compile(r"(\^?)([\w/-]*)(\.\*)?(\$?)")
# Whole disks and partitions, on Nitro and on Xen, and the pattern that accepts them.
_EC2 = (
    ("a|^/dev/nvme|", ("/dev/nvme0n1", "/dev/nvme0n1p2", "/dev/nvme1n1", "/dev/nvme26n1p1")),
    ("a|^/dev/xvd|", ("/dev/xvda", "/dev/xvda2", "/dev/xvdf", "/dev/xvdba1")),
)

FILES = (*CONFIGS, DEVICES)
PATHS = _CACHES


def decide(facts: GuestFacts) -> list[Step]:
    """The steps after which LVM sees its physical volumes on EC2's disks."""
    steps: list[Step] = []
    has_volumes = any(fs.type == "LVM2_member" for fs in facts.file_systems)
    for path in CONFIGS:
        text = facts.text(path)
        if text is not None and has_volumes and (new := _FILTER.sub(_accepting, text)) != text:
            steps.append(Write(path, new, "LVM's filter shuts out EC2's disks", keep=True))
    if facts.text(DEVICES) is not None:
        steps.append(Aside(DEVICES, "it knows LVM's disks by the serial numbers that VMware gave them"))
    return [*steps, *(Aside(path, "LVM remembers VMware's disks in it") for path in _CACHES if path in facts.paths)]


def _accepting(setting: re.Match[str]) -> str:
    """A filter with patterns before its own that accept the EC2 disks it rejects."""
    patterns = [found[1] for found in _STRING.finditer(setting["list"]) if found[1] is not None]
    added = [accept for accept, names in _EC2 if not all(_accepts(patterns, name) for name in names)]
    if not added:
        return setting[0]
    inside = setting["list"]
    inside = inside[1:-1].strip() if inside.startswith("[") else inside
    ours = ", ".join(f'"{pattern}"' for pattern in added)
    return setting[0][: -len(setting["list"])] + f"[ {ours}, {inside} ]"


def _accepts(patterns: list[str], name: str) -> bool:
    """Whether a filter is known to accept a name."""
    for pattern in patterns:
        # a or r, then the expression between two delimiters.
        plain = _PLAIN.fullmatch(pattern[2:-1])
        if plain is None:
            return False
        begins, part, open_end, ends = plain.groups()
        found = name.startswith(part) if begins else part in name
        if ends and not open_end:
            found = name == part if begins else name.endswith(part)
        if found:
            return not pattern.startswith("r")
    return True
