"""Whether the kernel that boots by default finds this guest's root. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runner.guest.boot import grubenv
from runner.guest.boot.kernel_line import Line
from runner.guest.facts import GuestFacts
from runner.guest.refusals import DeviceUnmatched


@dataclass(frozen=True)
class Entry:
    """A command line and where it stands: file and line, counted from 1.

    `image` is text that names the kernel it is for; None for one that no kernel is started with, but whose words others
    take by a variable.
    """

    path: str
    number: int
    line: Line
    image: str | None


def check(entries: Sequence[Entry], facts: GuestFacts) -> None:
    """Raise `DeviceUnmatched` when the default kernel's entries name devices, and none has the guest's root.

    Where no entry names that kernel, all are looked at: it may be started by a link such as /vmlinuz.
    """
    starting = [entry for entry in entries if entry.image is not None]
    kernel = facts.default_kernel
    image = re.compile(rf"vmlinuz-{re.escape(kernel.version)}(?:\s|\Z)" if kernel else r"\Z")
    chosen = [entry for entry in starting if image.search(entry.image or "")] or starting
    variables = [entry for entry in entries if entry.image is None]
    # RHEL 8's grub.cfg sets kernelopts only where the environment block has none.
    taken = [entry for entry in variables if re.fullmatch(grubenv.PATHS, entry.path)] or variables
    looked_at = [one for entry in chosen for one in (taken if _takes_its_root(entry.line) else [entry])]
    lost = next((entry for entry in looked_at if entry.line.lost), None)
    if lost and not any(entry.line.own for entry in looked_at):
        raise DeviceUnmatched(lost.path, lost.number, lost.line.lost, lost.line.why)


def _takes_its_root(line: Line) -> bool:
    return line.elsewhere and not line.own and not line.lost
