"""A rollback beside a restore without replication that is under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.phases.records import write_record
from runner.phases.run import Run, run_file
from runner.workflow.due import OtherUnderWay, rollback_due
from tests.runner.phases.bare_job import bare_job, manifest


@pytest.mark.parametrize("generations", [0, 1])
def test_it_does_not_take_the_place_of_a_restore(tmp_path: Path, generations: int) -> None:
    job = bare_job(tmp_path)
    for generation in range(1, generations + 1):
        job.manifests.write(manifest(generation))
    job.home.work.mkdir()
    run = Run("full", 1, once=True)
    write_record(run_file(job.home.work), run)
    with pytest.raises(OtherUnderWay, match="hotadd restore-vm"):
        rollback_due(job, 1)
