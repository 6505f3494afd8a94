"""Two snapshots of one volume in memory, behind the three calls of EBS direct that a look makes."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runner.aws.account import Account

BLOCK = 512 * 1024


@dataclass(frozen=True)
class MemoryAccount(Account):
    """An account whose snapshots are dictionaries: number of a block to the byte that fills it.

    As EBS does, it names blocks that were written without having changed (`rewritten`), in pages of three.
    """

    region: str = "nowhere"
    snapshots: dict[str, dict[int, int]] = field(default_factory=dict)
    rewritten: frozenset[int] = frozenset()

    @cached_property
    def ebs(self) -> Any:
        return _Direct(self)


class _Direct:
    def __init__(self, account: MemoryAccount) -> None:
        self._account = account

    def list_snapshot_blocks(self, SnapshotId: str, **more: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        rows = [
            {"BlockIndex": i, "BlockToken": f"{SnapshotId} {i}"} for i in sorted(self._account.snapshots[SnapshotId])
        ]
        return _page("Blocks", rows, more)

    def list_changed_blocks(self, FirstSnapshotId: str, SecondSnapshotId: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        first, second = (self._account.snapshots[one] for one in (FirstSnapshotId, SecondSnapshotId))
        rows = []
        for index in sorted({*first, *second}):
            if first.get(index) != second.get(index) or index in self._account.rewritten:
                tokens = {"FirstBlockToken": (FirstSnapshotId, first), "SecondBlockToken": (SecondSnapshotId, second)}
                held = {name: f"{snapshot} {index}" for name, (snapshot, blocks) in tokens.items() if index in blocks}
                rows.append({"BlockIndex": index, **held})
        return _page("ChangedBlocks", rows, more)

    def get_snapshot_block(self, SnapshotId: str, BlockIndex: int, BlockToken: str) -> dict[str, Any]:  # noqa: N803
        assert BlockToken == f"{SnapshotId} {BlockIndex}"
        data = bytes([self._account.snapshots[SnapshotId][BlockIndex]]) * BLOCK
        return {"BlockData": io.BytesIO(data), "Checksum": base64.b64encode(hashlib.sha256(data).digest()).decode()}


def _page(key: str, rows: list[dict[str, Any]], more: dict[str, Any]) -> dict[str, Any]:
    start = int(more.get("NextToken", 0))
    page: dict[str, Any] = {key: rows[start : start + 3], "BlockSize": BLOCK}
    if start + 3 < len(rows):
        page["NextToken"] = str(start + 3)
    return page
