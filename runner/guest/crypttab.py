"""/etc/crypttab: from device names to UUIDs. Pure.

What conversion itself must read takes a key (see luks_at_boot.py); other volumes are unlocked by the guest as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.guest import devices
from runner.guest.edits import Write
from runner.guest.facts import GuestFacts

PATH = "/etc/crypttab"


@dataclass(frozen=True)
class Volume:
    """One line of the table, crypttab(5): `fields` are name, device, key and options as far as they are there."""

    line: int
    fields: tuple[str, ...]


def volumes(text: str) -> Iterator[Volume]:
    """The volumes of a crypttab; `line` counts from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#"):
            yield Volume(number, tuple(fields))


def names(facts: GuestFacts) -> frozenset[str]:
    """The names under /dev/mapper that the table gives."""
    return frozenset(f"/dev/mapper/{volume.fields[0]}" for volume in volumes(facts.text(PATH) or ""))


def by_device(facts: GuestFacts) -> dict[str, tuple[str, ...]]:
    """The fields that the table has for each LUKS volume of the facts, by the volume's device; of several the first."""
    found: dict[str, tuple[str, ...]] = {}
    for volume in volumes(facts.text(PATH) or ""):
        try:
            meant = devices.find(volume.fields[1], facts)
        except devices.Unmatched:
            continue
        if meant.type == "crypto_LUKS":
            found.setdefault(meant.device, volume.fields)
    return found


def decide(facts: GuestFacts) -> list[Write]:
    """The table with names that last on EC2; a volume whose device is lost does not hold up the boot."""
    text = facts.text(PATH)
    if text is None:
        return []
    lines = text.splitlines(keepends=True)
    for volume in volumes(text):
        fields = _on_ec2(volume.fields, facts)
        if fields != volume.fields:
            lines[volume.line - 1] = "\t".join(fields) + "\n"
    new = "".join(lines)
    why = "EC2 has not the device names of VMware's controllers"
    return [Write(PATH, new, why, keep=True)] if new != text else []


def _on_ec2(fields: tuple[str, ...], facts: GuestFacts) -> tuple[str, ...]:
    name, device, *rest = fields
    if not devices.is_device(device):
        return fields
    try:
        found = devices.find(device, facts)
        if not devices.is_unstable(device):
            return fields
        if found.part_uuid and (not found.uuid or rest[:1] in (["/dev/urandom"], ["/dev/random"])):
            # Plain dm-crypt has no header, and a random key makes what is there anew: the partition table knows it.
            return (name, f"PARTUUID={found.part_uuid}", *rest)
        return (name, devices.stable_name(device, facts), *rest)
    except devices.Unmatched:
        key, options = (*rest, "", "")[:2]
        if {"nofail", "noauto"} & set(options.split(",")):
            return fields
        return (name, device, key or "none", f"{options},nofail" if options else "nofail")
