"""What each block of a replica should hold: the source's bytes, by digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from runner.aws.account import Account
from runner.aws.ebs_direct import ChangedBlock, SnapshotBlock, list_blocks, read_block
from runner.blocks.digests import DATA, DigestFile, State, digest_of
from runner.blocks.extent import BLOCK

ZEROES = digest_of(memoryview(bytes(BLOCK)))
"""The digest of a block of zeroes."""


class Reference(Protocol):
    """The digest (16 bytes) of each block of the source; zeroes' beyond its end."""

    def digest(self, block: ChangedBlock) -> bytes: ...


class DigestReference:
    """The digest file of a generation: no block needs to be read for it."""

    def __init__(self, file: DigestFile) -> None:
        self._file = file

    def digest(self, block: ChangedBlock) -> bytes:
        """The digest that the file has of a block."""
        if block.index >= self._file.blocks:
            return ZEROES
        held = self._file.get(block.index)
        return ZEROES if isinstance(held, State) else held

    def data_blocks(self) -> Iterator[int]:
        """The numbers of all blocks that are not zeroes, in order."""
        for first, count in self._file.runs_of((DATA,)):
            yield from range(first, first + count)


class SnapshotReference:
    """The integrity snapshot itself, where this machine has no digest file: every block is read.

    `wanted` are blocks that will be asked for without a token.
    """

    def __init__(self, account: Account, snapshot_id: str, wanted: frozenset[int]) -> None:
        self._account = account
        self._id = snapshot_id
        self._wanted = wanted
        self._tokens: Mapping[int, str] | None = None

    def digest(self, block: ChangedBlock) -> bytes:
        """The digest of what the snapshot holds."""
        token = block.first_token or (self._token(block.index) if block.index in self._wanted else "")
        if not token:
            return ZEROES
        return digest_of(memoryview(read_block(self._account, self._id, SnapshotBlock(block.index, token))))

    def _token(self, index: int) -> str:
        if self._tokens is None:
            held = list_blocks(self._account, self._id)
            self._tokens = {block.index: block.token for block in held if block.index in self._wanted}
        return self._tokens.get(index, "")
