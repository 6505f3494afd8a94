"""Find and restore as one step, against a source and a volume that move between its tries.

A pure model of the account: an integrity snapshot is bytes, ListChangedBlocks a superset by comparison. The engine is
the real one, on memory, and dies after any number of writes.
"""

from __future__ import annotations

import errno
import random
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.blocks.delta import copy_changes
from runner.blocks.deviation import find_deviating, runs
from runner.blocks.digests import DigestFile
from runner.blocks.errors import WriteFailed
from runner.blocks.extent import BLOCK, Extent
from runner.blocks.memory import MemoryDevice, MemorySource

BLOCKS = 6  # of the source; the last is a short one
SIZE = BLOCKS * BLOCK - 1000
VOLUME = 8 * BLOCK


class Dying(MemoryDevice):
    """A device whose machine dies after so many writes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(len(content))
        self.content = bytearray(content)
        self.life = 1 << 30

    def write(self, offset: int, buffer: memoryview) -> None:
        self._live()
        super().write(offset, buffer)

    def write_zeroes(self, offset: int, length: int) -> None:
        self._live()
        super().write_zeroes(offset, length)

    def _live(self) -> None:
        if self.life == 0:
            raise OSError(errno.EIO, "dead")
        self.life -= 1


class World:
    """A machine with its first generation, and what befalls it."""

    def __init__(self, seed: int, place: Path) -> None:
        self.chance = random.Random(seed)
        self.place = place
        self.source = bytearray(self.chance.randbytes(SIZE))
        self.source[2 * BLOCK : 3 * BLOCK] = bytes(BLOCK)
        self.device = Dying(bytes(VOLUME))
        self._copy(reference=None, deviating=[], generation=1)
        self.snapshot = bytes(self.device.content)
        self.scribble(self.device.content, VOLUME)  # injection, and what the guest wrote

    def scribble(self, content: bytearray, size: int) -> None:
        """Somebody writes: noise or zeroes, in any place."""
        for _ in range(self.chance.randrange(3)):
            at = self.chance.randrange(size)
            length = min(self.chance.choice([1, 5000, BLOCK]), size - at)
            content[at : at + length] = self.chance.choice([bytes(length), self.chance.randbytes(length)])

    def deviating(self, by_reading: bool) -> list[tuple[int, int]]:
        """D as it is now: by reading, or as EBS tells it."""
        if by_reading:
            with closing(DigestFile.open(self.place / "1")) as reference:
                return find_deviating(self.device, reference, threads=1)
        pieces = [slice(at, at + BLOCK) for at in range(0, VOLUME, BLOCK)]
        found = [n for n, piece in enumerate(pieces) if self.snapshot[piece] != self.device.content[piece]]
        return list(runs([*found, *(n for n in range(VOLUME // BLOCK) if self.chance.random() < 0.1)]))

    def attempt(self, deviating: list[tuple[int, int]], life: int) -> bool:
        """One try of the step; whether it came to its end."""
        self.device.life = life
        with suppress(WriteFailed):
            self._copy(self.place / "1", deviating, 2)
            return True
        return False

    def is_equal(self) -> bool:
        return bytes(self.device.content) == bytes(self.source).ljust(VOLUME, b"\0")

    def _copy(self, reference: Path | None, deviating: list[tuple[int, int]], generation: int) -> None:
        source = MemorySource(bytes(self.source), [Extent(0, SIZE, "data")])
        digests = self.place / str(generation)
        if reference is None:
            copy_changes(
                source, self.device, disk="d", generation=generation, reference=None, digests=digests, threads=1
            )
            return
        with closing(DigestFile.open(reference)) as before:
            copy_changes(
                source,
                self.device,
                disk="d",
                generation=generation,
                reference=before,
                digests=digests,
                deviating=deviating,
                threads=1,
            )


lives = st.lists(st.integers(0, 5), max_size=4)


@pytest.mark.thorough
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), lives=lives, by_reading=st.booleans())
def test_found_anew_on_every_entry_the_volume_equals_the_source(
    tmp_path: Path, seed: int, lives: list[int], by_reading: bool
) -> None:
    world = World(seed, tmp_path)
    for life in [*lives, 1 << 30]:
        world.scribble(world.source, SIZE)
        world.scribble(world.device.content, VOLUME)
        ended = world.attempt(world.deviating(by_reading), life)
        if ended:
            assert world.is_equal()
    assert ended


@pytest.mark.thorough
def test_remembered_it_would_not(tmp_path: Path) -> None:
    """The model is strong enough to see the fault that the rule is there for."""
    corrupt = 0
    for seed in range(60):
        world = World(seed, tmp_path)
        remembered = world.deviating(by_reading=True)
        world.attempt(remembered, life=1)
        world.scribble(world.source, SIZE)
        world.scribble(world.device.content, VOLUME)
        world.attempt(remembered, 1 << 30)
        corrupt += not world.is_equal()
    assert corrupt > 5
