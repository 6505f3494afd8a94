"""The manifests of a replication: one JSON file a generation, one digest file a disk, in a directory.

generation-0001.json is written first as `prepared`, when data and integrity snapshots are complete, then as
`finished`, when the destination has the volumes; a third time as `pruned`, when its snapshots and digests go. All
writes are atomic.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from runner.atomic import write_atomically
from schemas.document import DocumentDamaged, read_document, write_document
from schemas.manifest import DiskRecord, Manifest, sealed


class ManifestStore(Protocol):
    """Where manifests are kept; digest files are written to local files, and go along with their manifest."""

    @property
    def directory(self) -> Path: ...
    def generations(self) -> list[int]: ...
    def path(self, generation: int) -> Path: ...
    def digest_file(self, generation: int, disk: str) -> Path: ...
    def read(self, generation: int) -> Manifest | None: ...
    def write(self, manifest: Manifest) -> None: ...
    def latest(self) -> Manifest | None: ...
    def fetch_digests(self, generation: int, disk: DiskRecord) -> Path: ...
    def drop_digests(self, generation: int) -> None: ...
    def clear(self) -> None: ...


def read_manifest(text: bytes, where: str) -> Manifest:
    """A manifest whose seal is whole, without it. Raises `DocumentDamaged`."""
    manifest = read_document(text, "manifest", Manifest, where)
    if manifest.seal and sealed(manifest) != manifest:
        raise DocumentDamaged("manifest", where, "its seal is broken: something changed it after it was written")
    return replace(manifest, seal="")


def write_manifest(manifest: Manifest) -> str:
    """The JSON text of a manifest, sealed."""
    return write_document(sealed(manifest), "manifest")


_NAME = re.compile(r"^generation-(\d{4,9})\.json$")


@dataclass(frozen=True)
class Manifests:
    """The manifests below one directory."""

    directory: Path

    def generations(self) -> list[int]:
        """The numbers of all generations there are, oldest first."""
        if not self.directory.is_dir():
            return []
        found = (_NAME.match(entry.name) for entry in self.directory.iterdir())
        return sorted(int(match.group(1)) for match in found if match)

    def path(self, generation: int) -> Path:
        """The manifest of a generation."""
        return self.directory / f"generation-{generation:04d}.json"

    def digest_file(self, generation: int, disk: str) -> Path:
        """The digest file of a disk in a generation."""
        return self.directory / f"generation-{generation:04d}" / f"{disk}.digests"

    def read(self, generation: int) -> Manifest | None:
        """The manifest of a generation, or None. Raises `DocumentDamaged`."""
        path = self.path(generation)
        if not path.exists():
            return None
        return read_manifest(path.read_bytes(), str(path))

    def write(self, manifest: Manifest) -> None:
        """Write a manifest in one piece."""
        write_atomically(self.path(manifest.generation), write_manifest(manifest))

    def latest(self) -> Manifest | None:
        """The newest manifest, or None."""
        numbers = self.generations()
        return self.read(numbers[-1]) if numbers else None

    def fetch_digests(self, generation: int, disk: DiskRecord) -> Path:
        """The digest file of a disk, brought here if it is elsewhere; the path of none if there is none."""
        return self.digest_file(generation, disk.id)

    def drop_digests(self, generation: int) -> None:
        """Remove the digest files of a generation; its manifest stays."""
        shutil.rmtree(self.directory / f"generation-{generation:04d}", ignore_errors=True)

    def clear(self) -> None:
        """Remove every manifest and digest file."""
        shutil.rmtree(self.directory, ignore_errors=True)
