"""What a decider may ask for: a few verbs, each with its reason. `apply` is the one that does them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from runner.guest.windows.steps import CopyLoader, EditHive, PutDirectory, PutFile, WindowsStep, action

KEPT = ".hotadd"  # the suffix under which an old file stays beside the new one


@dataclass(frozen=True)
class Write:
    """Write a text file; with `keep` the old one stays beside it as `<path><suffix>`.

    `mode` is the file's permission bits; None keeps those of the old file, and gives a new one 0644.
    """

    path: str
    text: str
    why: str
    keep: bool = False
    mode: int | None = None
    suffix: str = KEPT


@dataclass(frozen=True)
class Aside:
    """Rename a file to `<path><suffix>`, where nothing reads it."""

    path: str
    why: str
    suffix: str = KEPT


@dataclass(frozen=True)
class Rebuild:
    """Run the guest's own `command` and see that `initramfs` then holds `modules` (names with underscores).

    It must also unlock the LUKS volumes `unlocks`, by their names under /dev/mapper; `tabled`: by a table in the image.

    `built` is where the command leaves its image, which takes the place of `initramfs` once it was looked through;
    empty where the command does that itself. With `keep` the old one stays beside it.
    """

    kernel: str
    initramfs: str
    command: tuple[str, ...]
    modules: tuple[str, ...]
    why: str
    built: str = ""
    keep: bool = False
    unlocks: tuple[str, ...] = ()
    tabled: bool = False


@dataclass(frozen=True)
class Copy:
    """Copy the file `source` to `path`, where there is none; its directory is made."""

    path: str
    source: str
    why: str


@dataclass(frozen=True)
class Move:
    """Rename a file to `to` in the same file system."""

    path: str
    to: str
    why: str


@dataclass(frozen=True)
class Link:
    """Make a symbolic link, in the place of one that is there. `target` is read in the guest."""

    path: str
    target: str
    why: str


@dataclass(frozen=True)
class Relabel:
    """Give `paths`, which steps before this one wrote, the SELinux labels that the guest's policy has for them.

    `path` is the policy's file of contexts. `command` is the guest's own setfiles with it; the paths are added. Where
    it fails the whole guest is relabelled at its first boot.
    """

    path: str
    command: tuple[str, ...]
    paths: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Note:
    """Do nothing: what an operator must know about a file that is left as it is."""

    path: str
    why: str


Step = Write | Aside | Rebuild | Copy | Move | Link | Relabel | Note | WindowsStep


@dataclass(frozen=True)
class Edit:
    """One line of the record: which file of the guest, what was done to it, why."""

    path: str
    action: str
    why: str


@dataclass(frozen=True)
class Decision:
    """What is to be done to a guest, in order, and the free bytes it takes at each mount point before the start."""

    steps: tuple[Step, ...]
    needs: tuple[tuple[str, int], ...] = ()


def record(step: Step) -> Edit:
    """The line of the record for a step."""
    match step:
        case Write(path, _, why, keep, _, suffix):
            return Edit(path, "rewritten, the old one kept as " + path + suffix if keep else "rewritten", why)
        case Aside(path, why, suffix):
            return Edit(path, f"moved to {path}{suffix}", why)
        case Rebuild(initramfs=initramfs, command=command, why=why, keep=keep):
            kept = f", the old one kept as {initramfs}{KEPT}" if keep else ""
            return Edit(initramfs, f"rebuilt by {shlex.join(command)}{kept}", why)
        case Copy(path, source, why):
            return Edit(path, f"copied from {source}", why)
        case Move(path, to, why):
            return Edit(path, f"moved to {to}", why)
        case Link(path, target, why):
            return Edit(path, f"made a link to {target}", why)
        case Relabel(path, command, paths, why):
            return Edit(path, f"used by {command[0]}, to label {len(paths)} files", why)
        case Note(path, why):
            return Edit(path, "left as it is", why)
        case PutDirectory() | PutFile() | EditHive() | CopyLoader():
            return Edit(step.to if isinstance(step, CopyLoader) else step.path, action(step), step.why)
