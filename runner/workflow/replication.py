"""The durable workflow: each step once, whatever dies in between (DBOS on one SQLite file a replication).

What is kept from DBOS's traps: the executor is the replication itself, and its lock is held before the launch, so
that no two processes recover each other's runs; the application version is the sequence's number, not a hash of the
source; a failed step is gone on from by forking the run at that step, since its stored error would be raised for
ever.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle, WorkflowStatus

from runner.aws.waiting import Interrupted
from runner.phases.job import Job
from runner.workflow.due import forget, has_ended
from runner.workflow.sequence import FULL, INCREMENTAL, RESTORE, VERSION, Step
from schemas.errors import HotaddError

_job: Job | None = None
# A rollback is an incremental whose source is an older integrity snapshot.
SEQUENCES: Mapping[str, Sequence[Step]] = {
    "full": FULL,
    "incremental": INCREMENTAL,
    "rollback": INCREMENTAL,
    "restore": RESTORE,
}


class StepFailed(HotaddError):
    """A step ended in an error that is not one of ours."""

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(
            f"The step {step} failed unexpectedly: {type(error).__name__}: {error}",
            "This is a bug of hotadd: report it with the events file of the run; the same command may go on.",
        )
        self.step = step


class DatabaseUnusable(HotaddError):
    """The durable workflow's database cannot be opened."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"The workflow's database cannot be used: {type(error).__name__}: {str(error).splitlines()[0]}",
            "Check the replication's home (replication.sqlite) or HOTADD_DATABASE_URL.",
        )


@DBOS.workflow(name="replicate")
def _replicate(kind: str) -> None:
    """Every step in order. The body reads no clock, environment or AWS."""
    job = _job
    assert job is not None
    for step in SEQUENCES[kind]:
        DBOS.run_step({"name": step.name}, _run_step, job, step)


def _run_step(job: Job, step: Step) -> None:
    if job.stop():
        raise Interrupted(f"before the step {step.name}")
    with job.journal.step(step.name):
        step.run(job)


def replicate(job: Job) -> None:
    """Run `job.run` to its end, from where an earlier process got to. The caller holds the replication's lock.

    Raises the error of the step that failed.
    """
    global _job
    _job = job
    ended = has_ended(job, job.run)
    with _launched(job, _version(job)):
        handle = _resume(job, ended)
        try:
            if handle is not None:
                handle.get_result(polling_interval_sec=0.2)
        except HotaddError:
            raise
        except Exception as error:
            name = _last_step(handle.get_workflow_id()) if handle is not None else "(none)"
            raise StepFailed(name, error) from error
    forget(job)


def _version(job: Job) -> str:
    """What a run is of: this sequence, spec and generation. A run of another is not gone on from where it got to.

    A spec that was mended after a failure must pass preflight anew, which a remembered preflight would not do. DBOS
    itself recovers runs of this very version alone: one of another generation that was given up must never come back.
    """
    of = f"{job.run.sequence}-{job.generation}" + ("-repair" if job.run.repair else "")
    return f"{VERSION}-{hashlib.sha256(repr(job.spec).encode()).hexdigest()[:12]}-{of}"


@contextmanager
def _launched(job: Job, version: str) -> Iterator[None]:
    job.home.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    config: DBOSConfig = {
        "name": "hotadd",
        "system_database_url": os.environ.get("HOTADD_DATABASE_URL") or f"sqlite:///{job.home.database}",
        "executor_id": job.spec.name,
        "application_version": version,
        # DBOS logs a failed step as an error, with a traceback; the error itself is told by the command line.
        "log_level": "CRITICAL",
    }
    DBOS(config=config)
    try:
        try:
            DBOS.launch()
        except Exception as error:
            raise DatabaseUnusable(error) from error
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


def _resume(job: Job, ended: bool) -> WorkflowHandle[None] | None:
    """The run to wait for: one that DBOS recovered, a fork of one that failed, or a new one.

    Of a run that has ended, the one that was never told so; or none.
    """
    prefix = f"{job.spec.name}:{job.generation}:"
    runs = [run for run in DBOS.list_workflows(workflow_id_prefix=prefix, sort_desc=True) if not _is_child(run)]
    fresh = f"{prefix}{len(runs) + 1}"
    for run in runs[:1]:
        if run.app_version != _version(job):
            told = f"A run of version {run.app_version} is taken over from its first step: hotadd or the spec changed."
            job.journal.tell("replicate", told)
            DBOS.cancel_workflow(run.workflow_id)
            break
        if ended and run.status not in ("PENDING", "ENQUEUED", "ERROR"):
            return None
        if run.status in ("PENDING", "ENQUEUED"):
            return DBOS.retrieve_workflow(run.workflow_id)
        if run.status == "ERROR":
            with SetWorkflowID(fresh):
                # Without a version the fork waits for the one that was registered last, for ever if that is another.
                version = _version(job)
                return DBOS.fork_workflow(run.workflow_id, _failed_step(run.workflow_id), application_version=version)
    if ended:
        return None
    with SetWorkflowID(fresh):
        return DBOS.start_workflow(_replicate, job.run.sequence)


def _is_child(run: WorkflowStatus) -> bool:
    return bool(run.parent_workflow_id)


def _failed_step(workflow_id: str) -> int:
    steps = DBOS.list_workflow_steps(workflow_id)
    failed = [step["function_id"] for step in steps if step["error"] is not None]
    return failed[0] if failed else len(steps) + 1


def _last_step(workflow_id: str) -> str:
    steps = DBOS.list_workflow_steps(workflow_id)
    return steps[-1]["function_name"] if steps else "(none)"
