"""What a decider may ask for on a Windows guest, each with its reason. `writer` does them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.guest.windows.acl import Access
from runner.guest.windows.changes import Change, DropKey, DropValue, Key, SetValue
from runner.guest.windows.kit import Payload

CONFIG = "/Windows/System32/config"
SYSTEM = f"{CONFIG}/SYSTEM"
SOFTWARE = f"{CONFIG}/SOFTWARE"
# On the EFI system partition: Windows' own, which a boot entry of the firmware names, and the one that needs none.
LOADER = "/EFI/Microsoft/Boot/bootmgfw.efi"
FALLBACK = "/EFI/Boot/bootx64.efi"


@dataclass(frozen=True)
class PutDirectory:
    """A directory on the system volume, with its access rights; the one above it is there."""

    path: str
    access: Access
    why: str


@dataclass(frozen=True)
class PutFile:
    """A file on the system volume, with its access rights: a file of the bundle, or these bytes."""

    path: str
    content: Payload | bytes
    access: Access
    why: str


@dataclass(frozen=True)
class EditHive:
    """Changes to one key of the hive at `path`. Steps on one hive that follow one another are one write."""

    path: str
    key: Key
    changes: tuple[Change, ...]

    @property
    def why(self) -> str:
        """The reasons of all changes."""
        return "; ".join(dict.fromkeys(change.why for change in self.changes))


@dataclass(frozen=True)
class CopyLoader:
    """A copy of a file on the EFI system partition, `device`, for a firmware that has lost its boot entries.

    With `kept` another file that is there is first renamed to that, unless an earlier one was.
    """

    device: str
    path: str
    to: str
    why: str
    kept: str = ""


WindowsStep = PutDirectory | PutFile | EditHive | CopyLoader


def by_key(path: str, changes: Iterable[Change]) -> list[EditHive]:
    """The steps that make the changes to a hive, one a key, in the order in which the keys first come."""
    keys: dict[Key, list[Change]] = {}
    for change in changes:
        keys.setdefault(change.key, []).append(change)
    return [EditHive(path, key, tuple(those)) for key, those in keys.items()]


def action(step: WindowsStep) -> str:
    """What a step does, for the record."""
    match step:
        case PutDirectory(_, access, _):
            return f"made, {_READERS[access]}"
        case PutFile(_, content, access, _):
            size = len(content) if isinstance(content, bytes) else content.size
            return f"written, {size} bytes, {_READERS[access]}"
        case EditHive(_, key, changes):
            return "\\".join(key) + ": " + _told(changes)
        case CopyLoader(_, path, _, _, kept):
            old = f", the old one kept as {kept}" if kept else ""
            return f"copied from {path} on the EFI system partition{old}"


_READERS: dict[Access, str] = {
    "private": "for SYSTEM and Administrators",
    "driver": "for SYSTEM and Administrators, read by Users",
}


def _told(changes: tuple[Change, ...]) -> str:
    names = [change.name or "(default)" for change in changes if isinstance(change, SetValue)]
    dropped = [change.name or "(default)" for change in changes if isinstance(change, DropValue)]
    told = [f"{len(names)} set ({', '.join(names)})"] if names else []
    told += [f"{len(dropped)} removed ({', '.join(dropped)})"] if dropped else []
    told += ["the key removed"] if any(isinstance(change, DropKey) for change in changes) else []
    return ", ".join(told)
