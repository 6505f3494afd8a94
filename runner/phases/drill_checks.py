"""The checks of a drill's copy: each ends with a verdict, whatever it finds."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runner.aws.account import Account
from runner.aws.commands import run_command
from runner.aws.instances import InstanceFellBack, find_instance
from runner.aws.serial import latest_console
from runner.aws.waiting import WaitedTooLong, wait_for
from runner.journal import Journal
from runner.phases.job import Job
from runner.phases.start import start
from schemas.drill import CheckKind, CheckResult
from schemas.spec import DrillCheck, GuestOs

_CONNECT_SECONDS = 5.0
_SHOWN = 200  # characters of a guest's words in a verdict


@dataclass(frozen=True)
class Copy:
    """The copy as the checks see it. `alive` says whether it passed EC2's status checks: what did not is looked at
    once, and not waited for."""

    account: Account
    instance_id: str
    os: GuestOs
    alive: bool
    stop: Callable[[], bool]


def check_copy(job: Job, instance_id: str, checks: tuple[DrillCheck, ...]) -> Iterator[CheckResult]:
    """Start the copy and make every check, each as it comes; the journal hears of each.

    Raises `Interrupted`, and what an account does that refuses to be asked; a guest that fails raises nothing.
    """
    status = _status(job)
    _tell(job.journal, status)
    yield status
    copy = Copy(job.account, instance_id, job.spec.source.os, status.passed, job.stop)
    for check in checks:
        result = make_check(copy, check)
        _tell(job.journal, result)
        yield result


def make_check(copy: Copy, check: DrillCheck) -> CheckResult:
    """Make one check: wait until it passes, within its seconds."""
    seconds = float(check.seconds) if copy.alive else 0.0
    began = time.monotonic()
    kind: CheckKind
    if check.console is not None:
        kind, wanted, look = "console", check.console, _console(copy, check.console)
    elif check.tcp is not None:
        kind, wanted, look = "tcp", str(check.tcp), _tcp(copy, check.tcp)
    else:
        command = check.ssm or ""
        kind = "ssm"
        wanted = command if check.expect is None else f"{command} (expecting {check.expect})"
        look = _command(copy, command, check.expect, began + seconds)
    reason = ""
    try:
        wait_for(look, f"the check {kind} {wanted}", seconds=seconds, stop=copy.stop)
    except WaitedTooLong as error:
        reason = error.last
    taken = round(time.monotonic() - began, 3)
    return CheckResult(kind, wanted, not reason, reason, taken)


def _status(job: Job) -> CheckResult:
    began = time.monotonic()
    reason = ""
    try:
        start(job)
    except (WaitedTooLong, InstanceFellBack) as error:
        reason = error.sentence
    taken = round(time.monotonic() - began, 3)
    return CheckResult("status", "both status checks", not reason, reason, taken)


_Look = Callable[[], tuple[bool | None, str]]


def _console(copy: Copy, pattern: str) -> _Look:
    wanted = re.compile(pattern, re.MULTILINE)

    def look() -> tuple[bool | None, str]:
        shown = latest_console(copy.account, copy.instance_id)
        last = shown.strip()[-_SHOWN:]
        return (True if wanted.search(shown) else None), f"not on the console, which ends with: {last or '(nothing)'}"

    return look


def _tcp(copy: Copy, port: int) -> _Look:
    def look() -> tuple[bool | None, str]:
        instance = find_instance(copy.account, copy.instance_id)
        if instance is None or not instance.private_ip:
            return None, "without an address"
        return connects(instance.private_ip, port)

    return look


def connects(address: str, port: int) -> tuple[bool | None, str]:
    """Whether a port takes a connection from here; else None, and what was seen."""
    try:
        with socket.create_connection((address, port), timeout=_CONNECT_SECONDS):
            return True, "open"
    except OSError as error:
        return None, f"{address} port {port}: {error.strerror or error}"


def _command(copy: Copy, command: str, expect: str | None, end: float) -> _Look:
    """A command that fails is run again until the time is over: the agent may be up before what it asks for."""
    wanted = re.compile(expect or "", re.MULTILINE)

    def look() -> tuple[bool | None, str]:
        left = max(1.0, end - time.monotonic())
        ended = run_command(copy.account, copy.instance_id, copy.os, command, seconds=left, stop=copy.stop)
        if ended is None:
            return None, "its SSM agent has not reported"
        said = (ended.output or ended.errors).strip()[-_SHOWN:] or "(nothing)"
        if not ended.well:
            return None, f"the command ended with {ended.status}: {said}"
        return (True if wanted.search(ended.output) else None), f"the command printed: {said}"

    return look


def _tell(journal: Journal, result: CheckResult) -> None:
    verdict = "passed" if result.passed else f"FAILED: {result.reason}"
    journal.tell("drill checks", f"{result.kind} {result.wanted}: {verdict}")
