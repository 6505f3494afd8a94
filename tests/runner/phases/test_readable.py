"""A damaged manifest among others."""

from __future__ import annotations

from pathlib import Path

from runner.manifests import Manifests
from runner.phases.readable import readable_manifests
from tests.runner.phases.bare_job import manifest


def test_a_damaged_one_is_told_and_hides_no_other(tmp_path: Path) -> None:
    store = Manifests(tmp_path)
    for generation in (1, 2, 3):
        store.write(manifest(generation))
    store.path(2).write_text("{")
    found, faults = readable_manifests(store)
    assert [one.generation for one in found] == [1, 3]
    assert len(faults) == 1 and str(store.path(2)) in faults[0]
