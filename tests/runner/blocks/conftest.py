"""What the block engine's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.blocks.memory import MemorySource
from tests.runner.blocks.bench import HALF_MIB, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def mixed() -> MemorySource:
    """8.5 MiB less 5 bytes of everything: 512 KiB a letter."""
    return MemorySource.from_picture("DD0D-ZD--0D0DDZZD", HALF_MIB, seed=7, trim=5)
