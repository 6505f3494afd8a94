"""Small records that one phase leaves for the next, in the generation's directory: each written in one piece.

They let the phases run as steps of the workflow and as single commands alike, and let a phase that runs again see
that its work is done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from runner.atomic import write_atomically
from schemas.document import structure, unstructure
from schemas.errors import IntegrityViolated
from schemas.manifest import SourceRecord

Record = TypeVar("Record")


class RecordDamaged(IntegrityViolated):
    """A record of an earlier phase cannot be read."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(
            f"The record {path} is damaged: {fault}.",
            "Delete the file and run the phase that wrote it again.",
        )
        self.path = path


@dataclass(frozen=True)
class Placement:
    """What preflight gave out: HotAdd slots by disk id, and the destination's root device name."""

    slots: dict[str, str]
    root_device: str


@dataclass(frozen=True)
class Restored:
    """A disk whose data is on its volume, complete and flushed.

    `attached` is since when the volume had been attached when the copy began: under another attachment it may have been
    elsewhere in between, and hold anything. `made` is when the copy was complete, as events have it.
    """

    disk: str
    volume_id: str
    volume_bytes: int
    source: SourceRecord
    digest_of_digests: str
    copy: str
    bytes_data: int
    bytes_zero: int
    bytes_changed: int = 0
    bytes_deviating: int = 0
    bytes_written: int = 0
    attached: str = ""
    made: str = ""


@dataclass(frozen=True)
class Copying:
    """A full copy that was begun. `attached` as in `Restored`; `blank`: nobody else ever had the volume."""

    attached: str
    blank: bool


@dataclass(frozen=True)
class Again:
    """The data is being copied again, in a step behind the one that copied it; `why` for whoever looks."""

    why: str


@dataclass(frozen=True)
class Committed:
    """The overlays of a generation are on the volumes."""

    generation: int
    blocks: int


@dataclass(frozen=True)
class Applying:
    """A plan and its apply are under way, or were when their process died. `since` as events have it."""

    step: str
    pid: int
    since: str


def write_record(path: Path, record: object) -> None:
    """Write a record in one piece."""
    write_atomically(path, json.dumps(unstructure(record), indent=2, sort_keys=True) + "\n")


def read_record(path: Path, model: type[Record]) -> Record | None:
    """Read a record, or None where there is none. Raises `RecordDamaged`."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        return structure(document, model)
    except FileNotFoundError:
        return None
    except (ValueError, cattrs.BaseValidationError) as error:
        raise RecordDamaged(path, type(error).__name__) from error


def applying_file(work: Path) -> Path:
    """Where the mark of a running apply stands."""
    return work / "applying.json"


def placement_file(work: Path) -> Path:
    """Where preflight's placement stands."""
    return work / "placement.json"


def restored_file(generation: Path, disk: str) -> Path:
    """Where a disk's restore leaves its record."""
    return generation / f"{disk}.restored.json"


def copying_file(generation: Path, disk: str) -> Path:
    """Where a full copy notes under which attachment it was begun."""
    return generation / f"{disk}.copying.json"


def again_file(generation: Path) -> Path:
    """What is there while the data is copied again."""
    return generation / "again.json"


def injection_file(generation: Path) -> Path:
    """Where the prepared conversion is described."""
    return generation / "injection.json"


def committed_file(generation: Path) -> Path:
    """Where the commit leaves its record."""
    return generation / "committed.json"


def is_committed(generation: Path) -> bool:
    """Whether a generation's overlays are on the volumes: nothing may be restored or snapshot any more."""
    return read_record(committed_file(generation), Committed) is not None
