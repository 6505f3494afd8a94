"""The manifest of one generation: the reference for the next incremental, for drift and for the report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Literal

from schemas.document import unstructure

RunKind = Literal["full", "incremental", "rollback"]


@dataclass(frozen=True)
class SourceRecord:
    """The source of a disk as it was read: size in bytes, time of last change in ns.

    `version` pins an S3 object (its version and ETag). Of an NBD export only the size is known: the rest is 0 and "".
    """

    path: str
    format: str
    bytes: int
    mtime_ns: int
    inode: int
    device: int
    version: str = ""
    change_id: str = ""


@dataclass(frozen=True)
class InjectedBlock:
    """A block that injection changed. `digest`: BLAKE3, 16 bytes in hexadecimal, of the block afterwards."""

    offset: int
    length: int
    digest: str


@dataclass(frozen=True)
class DiskRecord:
    """One disk of a generation. `digest_file` is relative to the manifest; `copy` is the copy's own id.

    The same bytes copied twice are two copies: what was injected after the one is not in the other. Counts are bytes
    of whole blocks: in which the source differs from the base, in which the volume had come to deviate from it, and
    what was written, zeroes among it.
    """

    id: str
    volume_id: str
    volume_bytes: int
    source: SourceRecord
    integrity_snapshot_id: str
    digest_file: str
    digest_of_digests: str
    copy: str
    injected: tuple[InjectedBlock, ...]
    bytes_changed: int = 0
    bytes_deviating: int = 0
    bytes_written: int = 0


@dataclass(frozen=True)
class EditRecord:
    """One change made in the guest, by file."""

    path: str
    action: str
    why: str


@dataclass(frozen=True)
class Manifest:
    """One generation of a replication.

    `base` is the generation that it was compared with (of a rollback: which it goes back to), 0 of a full one.
    `seconds` go from the beginning of its first run to its end. A `pruned` one is kept for the history alone.
    `seal` shows that nothing was changed since it was written.
    """

    version: Literal[1]
    replication: str
    generation: int
    kind: RunKind
    status: Literal["prepared", "finished", "pruned"]
    created: str
    region: str
    instance_id: str
    guest: str
    disks: tuple[DiskRecord, ...]
    edits: tuple[EditRecord, ...]
    base: int = 0
    finished: str = ""
    seconds: float = 0.0
    seal: str = ""


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its seal: SHA-256 of its canonical JSON with an empty one, in hexadecimal."""
    plain = replace(manifest, seal="")
    text = json.dumps(unstructure(plain), sort_keys=True, separators=(",", ":"))
    return replace(manifest, seal=hashlib.sha256(text.encode()).hexdigest())
