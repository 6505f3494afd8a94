"""What a decider may ask for: a few verbs, each with its reason. `apply` is the one that does them."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = ".hotadd"  # the suffix under which an old file stays beside the new one


@dataclass(frozen=True)
class Write:
    """Write a text file; with `keep` the old one stays beside it as `<path>.hotadd`."""

    path: str
    text: str
    why: str
    keep: bool = False


@dataclass(frozen=True)
class Aside:
    """Rename a file to `<path>.hotadd`, where nothing reads it."""

    path: str
    why: str


@dataclass(frozen=True)
class Rebuild:
    """Run the guest's own `command` and see that `initramfs` then holds `modules` (names with underscores)."""

    kernel: str
    initramfs: str
    command: tuple[str, ...]
    modules: tuple[str, ...]
    why: str


Step = Write | Aside | Rebuild


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
        case Write(path, _, why, keep):
            return Edit(path, "rewritten, the old one kept as " + path + KEPT if keep else "rewritten", why)
        case Aside(path, why):
            return Edit(path, f"moved to {path}{KEPT}", why)
        case Rebuild(_, initramfs, command, _, why):
            return Edit(initramfs, "rebuilt by " + " ".join(command), why)
