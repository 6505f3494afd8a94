"""What `hotadd status` says, a row a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.status import standing
from runner.phases.records import write_record
from runner.phases.run import Run, run_file
from schemas.manifest import Manifest
from tests.runner.phases.bare_job import bare_job, manifest

NEXT = Run("incremental", 2, 1)


@pytest.mark.parametrize(
    ("generations", "run", "files", "step", "state"),
    [
        ([], None, False, "", "not replicated yet"),
        ([], None, False, "deploy", "interrupted after deploy"),
        ([manifest(1)], None, False, "manifest finished", "replicated"),
        # An incremental that died, and one by single commands, which write no record.
        ([manifest(1)], NEXT, True, "restore", "interrupted after restore"),
        ([manifest(1)], None, True, "restore", "interrupted after restore"),
        ([manifest(1), manifest(2, status="prepared")], NEXT, True, "commit", "interrupted after commit"),
        ([manifest(1), manifest(2)], NEXT, False, "manifest finished", "replicated"),
        ([manifest(1, status="pruned")], None, False, "forget", "restored once, without replication"),
    ],
)
def test_the_state(
    tmp_path: Path, generations: list[Manifest], run: Run | None, files: bool, step: str, state: str
) -> None:
    job = bare_job(tmp_path)
    job.home.work.mkdir()
    for one in generations:
        job.manifests.write(one)
    if run is not None:
        write_record(run_file(job.home.work), run)
    if files:
        job.home.generation(2).mkdir()
    if step:
        with job.journal.step(step):
            pass
    assert standing(job.home)["state"] == state
