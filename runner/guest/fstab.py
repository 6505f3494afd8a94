"""/etc/fstab: from device names to UUIDs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runner.guest import crypttab, devices
from runner.guest.edits import Write
from runner.guest.facts import GuestFacts
from runner.guest.refusals import DeviceUnmatched, EncryptedSystem

PATH = "/etc/fstab"
# Ubuntu's up to 14.10: it waits for every file system that does not say nobootwait, and knows no nofail (its fstab(5)).
MOUNTALL = "/sbin/mountall"
PATHS = (MOUNTALL,)

# Mounts without which the guest does not come up, or comes up as another machine: these are matched or refused.
_SYSTEM = ("/", "/boot", "/boot/efi", "/usr", "/var", "/home")
_OPTIONAL = {"nofail", "noauto"}
# VMware's shared folders, of the host that EC2 is not: `.host:/ ... fuse.vmhgfs-fuse` or `vmhgfs-fuse ... fuse`.
_OF_VMWARE = (".host:", "vmhgfs-fuse")
_ANY_TYPE = ("auto", "none")
_SAME_TYPE = {
    **dict.fromkeys(("ext2", "ext3", "ext4"), "ext"),
    **dict.fromkeys(("ntfs", "ntfs-3g", "ntfs3", "fuseblk"), "ntfs"),
    **dict.fromkeys(("vfat", "msdos", "fat"), "vfat"),
}


@dataclass(frozen=True)
class Entry:
    """One mount of the table. `line` counts from 1."""

    line: int
    device: str
    point: str
    type: str
    options: str


def entries(text: str) -> Iterator[Entry]:
    """The mounts of an fstab; lines that are no mount are passed over, as mount(8) does."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) >= 3 and not fields[0].startswith("#"):
            yield Entry(number, fields[0], fields[1], fields[2], fields[3] if len(fields) > 3 else "defaults")


def decide(facts: GuestFacts) -> list[Write]:
    """The edits that make the table right on EC2. Raises `DeviceUnmatched` for a system mount without a match."""
    text = facts.text(PATH)
    if text is None:
        return []
    lines = text.splitlines(keepends=True)
    unlocked = crypttab.names(facts)
    for entry in entries(text):
        line = lines[entry.line - 1]
        if entry.device not in unlocked or devices.is_known(entry.device, facts):
            lines[entry.line - 1] = _on_ec2(entry, line, facts)
        elif entry.point in _SYSTEM:
            raise EncryptedSystem(entry.device, entry.point, facts.keys, facts.why_locked)
    new = "".join(lines)
    why = "EC2 has neither the device names of VMware's controllers nor its CD drive"
    return [Write(PATH, new, why, keep=True)] if new != text else []


def _on_ec2(entry: Entry, line: str, facts: GuestFacts) -> str:
    if entry.device.startswith(_OF_VMWARE):
        return _with_nofail(line, entry, facts)
    if not devices.is_device(entry.device) or entry.device.startswith("LABEL=cloudimg-"):
        return line
    try:
        found = devices.find(entry.device, facts)
        if devices.is_unstable(entry.device):
            check_type(entry.type, found.type)
        if entry.point == "/" and found.device != facts.root:
            raise devices.Unmatched(f"it leads to {found.device}, but the system lies on {facts.root}")
        if not devices.is_unstable(entry.device):
            return line
        return line.replace(entry.device, devices.stable_name(entry.device, facts), 1)
    except devices.Unmatched as unmatched:
        if _is_needed(entry, facts):
            raise DeviceUnmatched(PATH, entry.line, entry.device, str(unmatched)) from unmatched
        # A machine that waits 90 s for a lost disk and then stops at an emergency shell has no console on EC2.
        return _with_nofail(line, entry, facts)


def _is_needed(entry: Entry, facts: GuestFacts) -> bool:
    """Whether the guest is not itself without this mount; what it calls optional itself is not needed."""
    if entry.point == "/boot/efi" and "uefi" not in facts.firmwares:
        return False
    return entry.point == "/" or entry.point in _SYSTEM and not _OPTIONAL & set(entry.options.split(","))


def check_type(stated: str, found: str) -> None:
    """Raise `Unmatched` where a controller's name, a guess about the order of disks, leads to another file system."""
    if found and stated not in _ANY_TYPE and _SAME_TYPE.get(stated, stated) != _SAME_TYPE.get(found, found):
        raise devices.Unmatched(f"it leads to {found}, not {stated}")


def _with_nofail(line: str, entry: Entry, facts: GuestFacts) -> str:
    stated = set(entry.options.split(","))
    wanted = [] if _OPTIONAL & stated else ["nofail"]
    if MOUNTALL in facts.paths and not stated & {"noauto", "nobootwait"}:
        wanted.append("nobootwait")
    if not wanted:
        return line
    if len(line.split()) == 3:
        return f"{line.rstrip()} {','.join(wanted)}\n"
    before, options, after = re.fullmatch(r"(\s*\S+\s+\S+\s+\S+\s+)(\S+)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]  # four fields, seen by the caller
    return f"{before}{','.join((options, *wanted))}{after}"
