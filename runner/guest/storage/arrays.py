"""Software RAID: what the superblocks of an array's members say, as `mdadm --examine` prints them. Pure.

Looked at before anything is written: the appliance starts arrays read-only until the first write (md_mod.start_ro),
and that write would begin a resync of every block of an unclean one.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.guest.storage.refusals import ArrayUnfit

_WITHOUT_COPIES = ("raid0", "linear")


@dataclass(frozen=True)
class Member:
    """One member of an array. `present` says of each place whether the array knows its member (empty: not told)."""

    device: str
    uuid: str
    level: str
    places: int
    clean: bool
    present: tuple[bool, ...]
    events: int
    spare: bool


def read(device: str, told: str) -> Member:
    """A member out of what `mdadm --examine DEVICE` prints, for superblocks 0.90 and 1.x alike."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(" : ") for line in told.splitlines())}
    state = fields.get("Array State", "").partition(" ")[0]
    if state:
        present = tuple(letter == "A" for letter in state)
    else:  # 0.90 counts them
        active, places = _number(fields.get("Active Devices", "")), _number(fields.get("Raid Devices", ""))
        present = tuple(place < active for place in range(places))
    return Member(
        device=device,
        uuid=fields.get("Array UUID", fields.get("UUID", "")).split(" ")[0],
        level=fields.get("Raid Level", ""),
        places=_number(fields.get("Raid Devices", "")),
        clean=fields.get("State", "") == "clean",
        present=present,
        events=_number(fields.get("Events", "").rpartition(".")[2]),
        spare=fields.get("Device Role", "") == "spare",
    )


def check(members: tuple[Member, ...]) -> None:
    """Raise `ArrayUnfit` for the first array that lacks a member or was not in sync."""
    for uuid in dict.fromkeys(member.uuid for member in members):
        array = [member for member in members if member.uuid == uuid and not member.spare]
        if not array:
            continue  # spares of an array whose members are on no disk: nothing starts it
        first = array[0]
        name = f"{uuid or 'without a UUID'} on {', '.join(member.device for member in array)}"
        if len(array) < first.places:
            raise ArrayUnfit(name, first.level, f"has {first.places} members, of which {len(array)} are here")
        if any(not all(member.present) for member in array):
            raise ArrayUnfit(name, first.level, "is degraded")
        if len({member.events for member in array}) > 1:
            raise ArrayUnfit(name, first.level, "has members that stopped at different times")
        if first.level not in _WITHOUT_COPIES and not all(member.clean for member in array):
            raise ArrayUnfit(name, first.level, "was being written to, so its members may differ")


def _number(text: str) -> int:
    digits = text.split(" ")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0
