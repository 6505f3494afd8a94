"""The digest files of a generation: opened only as those that their manifest vouches for."""

from __future__ import annotations

from pathlib import Path

from runner.blocks.digests import DigestFile
from runner.manifests import ManifestStore
from schemas.errors import IntegrityViolated
from schemas.manifest import DiskRecord

REPAIR = "Restore it from a backup, or run with --repair, which compares whole volumes with the source."


class DigestsMissing(IntegrityViolated):
    """A digest file is gone."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"The digest file {path} is missing.", REPAIR)
        self.path = path


class DigestsDiffer(IntegrityViolated):
    """A digest file is not the one that the manifest was written with."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"The digest file {path} is not the manifest's: {fault}.", REPAIR)
        self.path = path
        self.fault = fault


def open_digests(manifests: ManifestStore, generation: int, disk: DiskRecord) -> DigestFile:
    """Open the digest file of a disk's record; the caller closes it.

    Raises `DigestsMissing`, `DigestsDiffer`, `DigestsDamaged`, and `PackedDamaged` of one that comes from S3.
    """
    path = manifests.fetch_digests(generation, disk)
    try:
        file = DigestFile.open(path)
    except FileNotFoundError as error:
        raise DigestsMissing(path) from error
    fault = _fault(file, generation, disk)
    if fault:
        file.close()
        raise DigestsDiffer(path, fault)
    return file


def _fault(file: DigestFile, generation: int, disk: DiskRecord) -> str:
    """Why it is not the record's, in words; empty if it is."""
    if file.own_digest() != disk.digest_of_digests:
        return "it has another digest"
    for field, found, wanted in (
        ("disk", file.disk, disk.id),
        ("generation", file.generation, generation),
        ("size", file.size, disk.source.bytes),
    ):
        if found != wanted:
            return f"it is of the {field} {found}, not {wanted}"
    return ""
