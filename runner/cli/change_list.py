"""The change list of `hotadd copy --changes`."""

from __future__ import annotations

from pathlib import Path

from schemas.changes import ChangeList
from schemas.document import read_document
from schemas.errors import Refused


class ChangesOfAnother(Refused):
    """A change list is of a disk of another size; sizes in bytes."""

    def __init__(self, path: Path, size: int, needed: int) -> None:
        super().__init__(
            f"The change list {path} is of a disk of {size} bytes, the source has {needed}.",
            "Name the list of this very disk, or leave it out.",
        )
        self.path = path
        self.size = size
        self.needed = needed


def read_extents(path: Path, size: int) -> list[tuple[int, int]]:
    """(offset, length) in bytes; raises `OSError`, `DocumentDamaged`, `ChangesOfAnother`."""
    found = read_document(path.read_bytes(), "changes", ChangeList, str(path))
    if found.size != size:
        raise ChangesOfAnother(path, found.size, size)
    return [(extent.offset, extent.length) for extent in found.extents]
