"""Starting the destination and waiting until EC2 says that it is well."""

from __future__ import annotations

from runner.aws.instances import start_instance, wait_healthy
from runner.phases.job import Job
from runner.phases.move import require_phase


def start(job: Job) -> None:
    """Start the destination and wait for both status checks, unless the spec says `start: false`."""
    if not job.spec.start:
        job.journal.tell("start", "The spec says start: false; the destination stays stopped.")
        return
    outputs = require_phase(job, "start", "target")
    start_instance(job.account, outputs.instance_id, job.stop)
    wait_healthy(job.account, outputs.instance_id, seconds=job.start_seconds, stop=job.stop)
