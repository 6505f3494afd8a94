"""Specs to declare, and a guard for what they are declared as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.loading import load_spec
from schemas.spec import Disk, Spec

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = Path(__file__).parent / "data"


@pytest.fixture
def web01() -> Spec:
    """Linux, two disks (root, data), an existing access node, local backend."""
    return load_spec(EXAMPLES / "linux-web01.yaml")


@pytest.fixture
def db01() -> Spec:
    """Linux, three disks, the declared access node fra-a, S3 backend, KMS."""
    return load_spec(EXAMPLES / "declared-db01.yaml")


@pytest.fixture
def with_disks() -> Callable[..., Spec]:
    """A spec with other disks: the first of the ids boots."""

    def change(spec: Spec, *ids: str) -> Spec:
        disks = tuple(Disk(id=one, path=f"/d/{one}.raw", size_gib=8, boot=at == 0) for at, one in enumerate(ids))
        return replace(spec, source=replace(spec.source, disks=disks))

    return change
