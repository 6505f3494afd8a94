"""Stopping the destination, so that its volumes can go back to the access node."""

from __future__ import annotations

from runner.aws.instances import InstanceGone, find_instance, stop_instance
from runner.phases.job import Job
from runner.phases.records import is_committed
from schemas.errors import Refused
from schemas.outputs import Outputs


class DestinationProtected(Refused):
    """The destination runs, and the spec protects it."""

    def __init__(self, instance_id: str, state: str) -> None:
        super().__init__(
            f"{instance_id} is {state}, and the spec says `protect: true`: somebody may work on it.",
            "Stop it yourself, or run with --stop. What it wrote since its launch will be gone.",
        )
        self.instance_id = instance_id
        self.state = state


def check_may_stop(job: Job, outputs: Outputs | None) -> None:
    """Raise `DestinationProtected` when the destination has the volumes, runs, and is protected."""
    if outputs is None or outputs.phase != "target" or not job.spec.protect or job.may_stop:
        return
    instance = find_instance(job.account, outputs.instance_id)
    if instance is not None and instance.state in ("pending", "running"):
        raise DestinationProtected(instance.id, instance.state)


def stop(job: Job) -> None:
    """Stop the destination and wait until it is stopped; nothing happens once the volumes have left it."""
    if is_committed(job.generation_directory):
        return
    outputs = job.project().outputs()
    if outputs is None or outputs.phase != "target":
        return
    check_may_stop(job, outputs)
    if find_instance(job.account, outputs.instance_id) is None:
        raise InstanceGone(outputs.instance_id, "stopped")
    stop_instance(job.account, outputs.instance_id, job.stop)
