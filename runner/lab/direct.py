"""EBS direct: blocks of snapshots, read from the snapshots' files.

Rules from "Frequently asked questions for EBS direct APIs" and the API reference: only `completed` snapshots can be
read; indexes come in order; a page may hold fewer blocks than MaxResults, or none, and still have a NextToken;
ListChangedBlocks may name blocks that are equal; a block that one of the snapshots lacks has no token for it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ebs import urls
from moto.ebs.responses import EBSResponse
from moto.ec2.models import ec2_backends

from runner.lab import disks
from runner.lab.volumes import Snapshot, VolumeBackend

_WINDOW = 2048  # blocks, 1 GiB: what one page looks at; a gap larger than that makes an empty page
_MOST = 10000  # MaxResults, largest
_LEAST = 100
_TOKEN_LIFE = timedelta(days=7)


class DirectError(ServiceException):
    """An error of EBS direct with its `Reason`."""

    def __init__(self, code: str, reason: str, message: str) -> None:
        super().__init__(code, message)
        self.reason = reason


def invalid(reason: str, message: str) -> DirectError:
    return DirectError("ValidationException", reason, message)


@lru_cache(maxsize=64)
def written(path: Path) -> tuple[int, ...]:
    """Blocks of a snapshot that hold data; a completed snapshot never changes."""
    return tuple(disks.data_blocks(path))


@lru_cache(maxsize=64)
def changed(first: Path, second: Path) -> tuple[int, ...]:
    """A superset of the blocks that differ: each one's successor too, if data is there.

    EBS tells what was written, not what differs, and nobody may rely on more.
    """
    differing = disks.differing_blocks(first, second)
    there = set(written(first)) | set(written(second))
    return tuple(sorted(set(differing) | {index + 1 for index in differing if index + 1 in there}))


def page(found: Sequence[int], start: int, most: int) -> tuple[list[int], int | None]:
    """Of the sorted indexes `found`, those of the page that starts at block `start`, and where the next one starts."""
    here = [index for index in found if start <= index < start + _WINDOW][:most]
    end = here[-1] + 1 if len(here) == most else start + _WINDOW
    return here, end if any(index >= end for index in found) else None


class DirectResponse(EBSResponse):
    """The reading calls; moto's writing ones are left as they are."""

    @property
    def ec2(self) -> VolumeBackend:
        backend = ec2_backends[self.current_account][self.region]
        assert isinstance(backend, VolumeBackend)
        return backend

    def _snapshot(self, snapshot_id: str) -> Snapshot:
        with self.ec2.ground.lock:
            snapshot = self.ec2.snapshots.get(snapshot_id)
            if not isinstance(snapshot, Snapshot):
                raise DirectError(
                    "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", f"The snapshot '{snapshot_id}' does not exist."
                )
            if snapshot.status != "completed":
                raise invalid("INVALID_SNAPSHOT_ID", f"The snapshot '{snapshot_id}' is in state {snapshot.status}.")
            return snapshot

    def _path(self, snapshot: Snapshot) -> Path:
        return self.ec2.ground.layout.snapshot(snapshot.id)

    def _listing(self, key: str, snapshot: Snapshot, found: Sequence[int], rows: dict[int, dict[str, Any]]) -> Any:
        most = int(self._get_param("MaxResults") or _MOST)
        if not _LEAST <= most <= _MOST:
            raise invalid("INVALID_PARAMETER_VALUE", f"MaxResults must be from {_LEAST} to {_MOST}.")
        here, following = page(found, self._start(), most)
        return ActionResult(
            {
                key: [{"BlockIndex": index, **rows[index]} for index in here],
                "ExpiryTime": datetime.now(UTC) + _TOKEN_LIFE,
                "VolumeSize": snapshot.volume_size,
                "BlockSize": disks.BLOCK,
                "NextToken": None if following is None else _seal("page", following),
            }
        )

    def _start(self) -> int:
        token = self._get_param("NextToken")
        if token is None:
            return int(self._get_param("StartingBlockIndex") or 0)
        try:
            kind, start = _unseal(token)
            if kind != "page":
                raise ValueError
            return int(start)
        except ValueError:
            raise invalid("INVALID_PAGE_TOKEN", "The page token is not valid.") from None

    def list_snapshot_blocks(self) -> ActionResult:
        snapshot = self._snapshot(self._get_param("SnapshotId"))
        found = written(self._path(snapshot))
        rows = {index: {"BlockToken": _seal(snapshot.id, index)} for index in found}
        result: ActionResult = self._listing("Blocks", snapshot, found, rows)
        return result

    def list_changed_blocks(self) -> ActionResult:
        second = self._snapshot(self._get_param("SecondSnapshotId"))
        first_id = self._get_param("FirstSnapshotId")
        there = set(written(self._path(second)))
        if first_id is None:
            before: Iterable[int] = ()
            found: Sequence[int] = sorted(there)
        else:
            first = self._snapshot(first_id)
            if first.volume.id != second.volume.id:
                raise invalid("UNRELATED_SNAPSHOTS", "The snapshots are not of the same volume.")
            before, found = set(written(self._path(first))), changed(self._path(first), self._path(second))
        rows = {
            index: {
                **({"FirstBlockToken": _seal(first_id, index)} if index in before else {}),
                **({"SecondBlockToken": _seal(second.id, index)} if index in there else {}),
            }
            for index in found
        }
        result: ActionResult = self._listing("ChangedBlocks", second, found, rows)
        return result

    def get_snapshot_block(self) -> ActionResult:
        snapshot = self._snapshot(self._get_param("SnapshotId"))
        index = int(self._get_param("BlockIndex"))
        if self._get_param("BlockToken") != _seal(snapshot.id, index):
            raise invalid("INVALID_BLOCK_TOKEN", f"The token is not that of block {index} of {snapshot.id}.")
        data = disks.read_block(self._path(snapshot), index)
        return ActionResult(
            {
                "DataLength": len(data),
                "BlockData": data,
                "Checksum": base64.b64encode(hashlib.sha256(data).digest()).decode(),
                "ChecksumAlgorithm": "SHA256",
            }
        )


def _seal(subject: str, number: int) -> str:
    """A token that only the lab can make sense of; letters that the API's pattern allows."""
    text = f"{subject}:{number}"
    proof = hashlib.sha256(f"hotadd-lab:{text}".encode()).hexdigest()[:16]
    return base64.b64encode(f"{text}:{proof}".encode()).decode()


def _unseal(token: str) -> tuple[str, int]:
    """The subject and number of a token; ValueError for one that `_seal` did not make."""
    subject, number, _ = base64.b64decode(token, validate=True).decode().split(":")
    if _seal(subject, int(number)) != token:
        raise ValueError(token)
    return subject, int(number)


def install() -> None:
    """Answer EBS direct calls from the lab's files."""
    for path in urls.url_paths:
        urls.url_paths[path] = DirectResponse.dispatch
