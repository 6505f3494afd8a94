"""A drill: a copy of the latest finished generation, booted apart from the replica, checked, and taken down again.

Nothing of the replica is touched: its integrity snapshots are only read. A drill that dies is not gone on with; what it
left is removed by taking it down, which a new drill demands.
"""

from __future__ import annotations

from runner.atomic import write_atomically
from runner.aws.waiting import Interrupted
from runner.journal import timestamp
from runner.phases.drill_checks import check_copy
from runner.phases.drill_copy import COPY
from runner.phases.drill_down import is_up, take_down
from runner.phases.drill_ground import Ground, make_request, verdict_file, write_request
from runner.phases.job import Job
from schemas.document import read_document, write_document
from schemas.drill import CheckResult, DrillRequest, DrillVerdict
from schemas.errors import HotaddError, Refused


class DrillUp(Refused):
    """A copy is up, or a dead drill left something."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"A drill of {replication} is up, or one that died left something.",
            "`hotadd drill --status` shows it; `hotadd drill --down` removes every trace of it.",
        )
        self.replication = replication


def begin(ground: Ground) -> DrillRequest:
    """Say what the copy is made of. From then on, `take_down` removes it. Raises `DrillUp`, and what makes no drill."""
    if is_up(ground):
        raise DrillUp(ground.spec.name)
    request = make_request(ground)
    write_request(ground, request)
    ground.journal.tell("drill", f"A copy of generation {request.generation} of {request.replication}.")
    return request


def bring_up(ground: Ground, request: DrillRequest) -> Job:
    """Make the copy and attach its volumes to its instance, ready to be started."""
    job = ground.copy(request)
    for name, act in COPY:
        if ground.stop():
            raise Interrupted(f"before the step {name}")
        with ground.journal.step(name):
            act(job)
    return job


def drill(ground: Ground, *, keep: bool) -> DrillVerdict:
    """Bring a copy up, check it, keep the verdict, and take the copy down unless it is to be kept.

    What ends it before its checks are made is a failed drill, too, and raised; a drill that was stopped on request has
    no verdict.
    """
    started = timestamp()
    request = begin(ground)
    checks: list[CheckResult] = []
    instance_id = ""
    try:
        job = bring_up(ground, request)
        outputs = job.project().outputs()
        instance_id = "" if outputs is None else outputs.instance_id
        with ground.journal.step("drill checks"):
            for result in check_copy(job, instance_id, ground.spec.drill.checks):
                checks.append(result)
    except BaseException as error:
        if isinstance(error, HotaddError) and not isinstance(error, Interrupted):
            _record(ground, request, started, instance_id, checks, keep, error.sentence)
        if not keep:
            _take_down_after(ground)
        raise
    failed = [f"{check.kind} {check.wanted}: {check.reason}" for check in checks if not check.passed]
    verdict = _record(ground, request, started, instance_id, checks, keep, "; ".join(failed))
    if not keep:
        take_down(ground)
    return verdict


def last_verdict(ground: Ground) -> DrillVerdict | None:
    """The verdict on the last drill, or None. Raises `DocumentDamaged`."""
    path = verdict_file(ground.home)
    if not path.exists():
        return None
    return read_document(path.read_bytes(), "drill", DrillVerdict, str(path))


def _record(
    ground: Ground,
    request: DrillRequest,
    started: str,
    instance_id: str,
    checks: list[CheckResult],
    kept: bool,
    reason: str,
) -> DrillVerdict:
    wanted = ground.spec.drill.instance_type or ground.spec.destination.instance_type
    verdict = DrillVerdict(
        version=1,
        replication=request.replication,
        generation=request.generation,
        verdict="failed" if reason else "passed",
        reason=reason,
        started=started,
        ended=timestamp(),
        instance_id=instance_id,
        instance_type=wanted,
        expires=request.expires,
        kept=kept,
        checks=tuple(checks),
    )
    path = verdict_file(ground.home)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, write_document(verdict, "drill"))
    return verdict


def _take_down_after(ground: Ground) -> None:
    """Take down what an error left; that error is the one to be told."""
    try:
        take_down(ground)
    except HotaddError as second:
        ground.journal.tell("drill down", f"{second.sentence} `hotadd drill --down` goes on from here.")
