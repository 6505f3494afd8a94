"""Names on NTFS, which Windows looks up without case and ntfs-3g makes with it: /system32 beside /System32.

So every name is looked up in the directory it stands in before anything is made. Names of ours are ASCII, and only
ASCII letters are folded: to NTFS's own table (UpCase) no other character equals one of them. Links and junctions are
followed nowhere: the appliance would not resolve them as Windows does.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.guest.appliance import Appliance, Kind
from runner.guest.windows.volume_refusals import NameUnfit


@dataclass(frozen=True)
class Place:
    """Where a path leads. `path` has the names as they are spelled on the volume, and ours for what is `missing`."""

    path: str
    missing: tuple[str, ...]
    kind: Kind

    @property
    def existing(self) -> str:
        """The deepest directory (or the file itself) that is there."""
        parts = self.path.split("/")
        return "/".join(parts[: len(parts) - len(self.missing)]) or "/"


def find(appliance: Appliance, path: str) -> Place:
    """Look a path up, element by element. Raises `NameUnfit` for a link, a file in place of a directory, or twins."""
    wanted = [part for part in path.split("/") if part]
    found = ""
    kind: Kind = "directory"
    for at, part in enumerate(wanted):
        entries = appliance.entries(found or "/")
        match = [name for name in entries if _same(name, part)]
        if not match:
            return Place("/".join([found, *wanted[at:]]), tuple(wanted[at:]), "")
        if len(match) > 1:
            raise NameUnfit(f"{found}/{part}", "it is there more than once, in differing case")
        found = f"{found}/{match[0]}"
        kind = entries[match[0]]
        if kind == "symlink" or kind == "other" or (kind == "file" and at + 1 < len(wanted)):
            raise NameUnfit(
                found, "it is a link or a junction" if kind == "symlink" else f"it is a {kind}, no directory"
            )
    return Place(found or "/", (), kind)


def _same(name: str, wanted: str) -> bool:
    return name.isascii() and name.lower() == wanted.lower()
