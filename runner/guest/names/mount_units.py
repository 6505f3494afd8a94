"""systemd's units of mounts in /etc: from device names to UUIDs. Pure.

systemd.mount(5), What=: a path of a device node; `/dev/disk/by-uuid/` works in every version. A device that matches
nothing is told: unlike an entry of fstab, a unit is needed by what its [Install] section says. So is a swap area: its
unit must have the name of its device, systemd.swap(5), and that name would have to change wherever it is wanted.
"""

from __future__ import annotations

from runner.guest import devices, fstab
from runner.guest.edits import Note, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import settings

DIRECTORY = "/etc/systemd/system"
DIRECTORIES = ((DIRECTORY, r".+\.(mount|swap)"),)


def decide(facts: GuestFacts) -> list[Step]:
    """Units with names that last on EC2; no copy is kept in a directory whose names mean something."""
    steps: list[Step] = []
    for file in facts.files_in(DIRECTORY, ".mount"):
        steps += _on_ec2(file, facts)
    for file in facts.files_in(DIRECTORY, ".swap"):
        named = [s.value for s in settings(file) if (s.section, s.key) == ("swap", "What")]
        steps += [Note(file.path, f"EC2 has no {name}") for name in named if devices.is_unstable(name)]
    return steps


def _on_ec2(file: TextFile, facts: GuestFacts) -> list[Step]:
    lines = file.text.splitlines(keepends=True)
    renamed: set[str] = set()
    notes: dict[str, Step] = {}
    kinds = [s.value for s in settings(file) if (s.section, s.key) == ("mount", "Type")]
    for setting in settings(file):
        if (setting.section, setting.key) != ("mount", "What") or not devices.is_unstable(setting.value):
            continue
        try:
            fstab.check_type(kinds[-1] if kinds else "auto", devices.find(setting.value, facts).type)
            uuid = devices.stable_name(setting.value, facts).removeprefix("UUID=")
        except devices.Unmatched as unmatched:
            notes[setting.value] = Note(file.path, f"its {setting.value} is no disk of EC2: {unmatched}")
        else:
            lines[setting.line - 1] = f"What=/dev/disk/by-uuid/{uuid}\n"
            renamed.add(setting.value)
    why = f"{', '.join(sorted(renamed))} has another name on EC2"
    return [*notes.values(), *([Write(file.path, "".join(lines), why)] if renamed else [])]
