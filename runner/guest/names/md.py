"""mdadm.conf: which devices may be members of arrays. Pure.

mdadm.conf(5): without a DEVICE line mdadm looks at all partitions and containers. `devices=` on an ARRAY line is not
more than a restriction where the line identifies its array by UUID, name or minor number.
"""

from __future__ import annotations

import re

from runner.guest import devices
from runner.guest.edits import Write
from runner.guest.facts import GuestFacts

CONFIGS = ("/etc/mdadm/mdadm.conf", "/etc/mdadm.conf")
_ALL = "DEVICE partitions containers"
_IDENTITIES = ("uuid", "name", "super-minor")

FILES = CONFIGS


def decide(facts: GuestFacts) -> list[Write]:
    """The files without the names of VMware's disks."""
    steps = []
    for path in CONFIGS:
        text = facts.text(path)
        new = "".join(_on_ec2(line, facts) for line in _logical_lines(text or ""))
        if text is not None and new != text:
            steps.append(Write(path, new, "arrays are looked for on EC2's disks too", keep=True))
    return steps


def _logical_lines(text: str) -> list[str]:
    """mdadm.conf(5): a line that begins with white space continues the one before."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if lines and line[:1] in (" ", "\t") and line.strip() and not lines[-1].startswith("#"):
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def _on_ec2(line: str, facts: GuestFacts) -> str:
    words = line.split()
    keyword = words[0].lower() if words else ""
    # Keywords may be abbreviated to three letters.
    if len(keyword) >= 3 and "device".startswith(keyword):
        return f"{_ALL}\n" if any(_is_controllers(word) for word in words[1:]) else line
    if len(keyword) >= 3 and "array".startswith(keyword):
        listed = next((word for word in words if word.lower().startswith("devices=")), None)
        if listed is None or not any(_is_controllers(name) for name in listed.partition("=")[2].split(",")):
            return line
        kept = [word for word in words if word is not listed]
        if not any(word.lower().partition("=")[0] in _IDENTITIES for word in words):
            kept += _identity(listed, facts)
        return " ".join(kept) + "\n"
    return line


def _is_controllers(name: str) -> bool:
    """Whether a name, or a pattern such as /dev/sd[ab]1, is about the disks of a controller."""
    return devices.is_unstable(name) or bool(re.match(r"/dev/(?:sd|hd|vd|xvd|cciss|nvme|disk/by-(?:id|path))", name))


def _identity(listed: str, facts: GuestFacts) -> list[str]:
    """The array's UUID, which each member carries, as mdadm writes it; without a member that is known the list."""
    for name in listed.partition("=")[2].split(","):
        if devices.is_known(name, facts) and (uuid := devices.find(name, facts).uuid):
            digits = uuid.replace("-", "").lower()
            return ["UUID=" + ":".join(digits[at : at + 8] for at in range(0, 32, 8))]
    return [listed]
