"""Changed-block lists that a source offers: honoured only where they build on what the reference was made of."""

from __future__ import annotations

from pathlib import Path

from runner.phases.job import Job
from schemas.changes import ChangeList
from schemas.document import read_document
from schemas.manifest import SourceRecord
from schemas.spec import Disk


def read_changes(disk: Disk) -> ChangeList | None:
    """The list beside a disk; None where the spec names none, or it is not there. Raises `DocumentDamaged`."""
    if disk.changes is None:
        return None
    try:
        text = Path(disk.changes).read_bytes()
    except FileNotFoundError:
        return None
    return read_document(text, "changes", ChangeList, disk.changes)


def change_id(disk: Disk) -> str:
    """The name that a disk's list gives to the disk's present state; empty without a list."""
    found = read_changes(disk)
    return "" if found is None else found.id


def usable_changes(
    job: Job, disk: Disk, found: ChangeList | None, size: int, before: SourceRecord
) -> list[tuple[int, int]] | None:
    """The (offset, length) extents in bytes that narrow the search, or None; the run says why it ignores a list.

    A list must count from the very state that the reference was made of: its base is the id that the manifest recorded.
    """
    if disk.changes is None:
        return None
    fault = ""
    if found is None:
        fault = "it is not there"
    elif not found.base or found.base != before.change_id:
        fault = f"it counts from {found.base or 'nothing'}, the reference is of {before.change_id or 'no known state'}"
    elif found.size != size:
        fault = f"it is of a disk of {found.size} bytes, this one has {size}"
    if fault or found is None:
        job.journal.tell("find", f"{disk.id}: the change list {disk.changes} is ignored: {fault}.")
        return None
    return [(extent.offset, extent.length) for extent in found.extents]
