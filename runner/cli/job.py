"""A job from a spec file: loaded, its home locked, its clean stop on the first Ctrl-C."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import typer

from runner.aws.account import Account
from runner.aws.bucket import BucketManifests
from runner.aws.lock import BucketLock, held
from runner.home import Home, home_of, user
from runner.journal import Journal, Watcher
from runner.manifests import Manifests, ManifestStore
from runner.phases.job import Job
from runner.terraform.project import Project, TerraformProject
from runner.terraform.synthesis import synthesize
from runner.workflow.due import AlreadyReplicated
from schemas.loading import load_spec
from schemas.manifest import Manifest
from schemas.spec import Spec

# The longest a boot may take before the run gives up: EC2's status checks of a large Windows guest pass within ten.
START_MINUTES = 20.0


def generation_to_make(home: Home, latest: Manifest | None) -> int:
    """The generation a run works on: the first, or the one that is not finished.

    Its working files go last: while they are there, a run died between its manifest's end and its own.
    """
    if latest is None:
        return 1
    if latest.status != "prepared" and not home.generation(latest.generation).exists():
        raise AlreadyReplicated(home.name, latest.generation)
    return latest.generation


def manifests_of(spec: Spec, home: Home) -> ManifestStore:
    """Where a spec's manifests are: in its home, or under its S3 prefix with a copy in its home."""
    here = Manifests(home.manifests)
    if spec.backend.s3 is None:
        return here
    return BucketManifests(Account(spec.backend.s3.region), spec.backend.s3, spec.name, here)


@contextmanager
def open_job(
    spec_file: Path, watcher: Watcher, *, start_minutes: float = START_MINUTES, break_lock: bool = False
) -> Iterator[Job]:
    """Load the spec, take the replication's lock (of an S3 backend the one there, too), and give the job.

    Raises `AlreadyRunning`, `LockedElsewhere`, and `LockLost` at the end.
    """
    spec = load_spec(spec_file)
    home = home_of(spec)
    with home.locked(), stop_on_interrupt() as stop, _locked_there(spec, home, break_lock) as lost:
        yield _job(spec, spec_file, home, watcher, lambda: stop() or lost(), start_minutes, home.work)


@contextmanager
def _locked_there(spec: Spec, home: Home, break_lock: bool) -> Iterator[Callable[[], bool]]:
    """Hold the lock of an S3 backend; gives whether it was lost. A directory's lock is the home's own."""
    lost = Flag()
    if spec.backend.s3 is None:
        yield lost.is_set
        return
    lock = BucketLock(Account(spec.backend.s3.region), spec.backend.s3, spec.name, user(), home.lock_identity())
    with held(lock, lost, break_it=break_lock):
        yield lost.is_set


@contextmanager
def open_look(spec_file: Path, watcher: Watcher, purpose: str) -> Iterator[Job]:
    """As `open_job`, for one that looks only: without the replication's lock and Terraform's, in a place of its own.

    Of those who look with the same `purpose`, one at a time. Raises `AlreadyRunning`.
    """
    spec = load_spec(spec_file)
    home = home_of(spec)
    apart = Home(f"{spec.name} ({purpose})", home.work / purpose)
    with apart.locked(), stop_on_interrupt() as stop:
        yield _job(spec, spec_file, home, watcher, stop, START_MINUTES, apart.directory, lock=False)


def _job(
    spec: Spec,
    spec_file: Path,
    home: Home,
    watcher: Watcher,
    stop: Callable[[], bool],
    start_minutes: float,
    work: Path,
    *,
    lock: bool = True,
) -> Job:
    journal = Journal(spec.name, home.events, watcher)

    @functools.cache
    def project() -> Project:
        made = synthesize(spec_file.resolve(), spec.name, work)
        fresh = TerraformProject(made, lambda message: journal.tell("terraform", message), lock)
        # A single command may be the first on this machine: without its backend, Terraform tells no outputs.
        fresh.init()
        return fresh

    manifests = manifests_of(spec, home)
    numbers = manifests.generations()
    return Job(
        spec=spec,
        spec_file=spec_file.resolve(),
        home=home,
        generation=numbers[-1] if numbers else 1,
        account=Account(spec.region),
        journal=journal,
        manifests=manifests,
        project=project,
        stop=stop,
        start_seconds=start_minutes * 60,
    )


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C (or SIGTERM) asks to stop after the current block; the second one interrupts."""
    asked = Flag()

    def ask(number: int, _frame: object) -> None:
        asked.set()
        # The second time the kernel ends us: children die on their leash, and the lock is free only when all is over.
        signal.signal(number, signal.SIG_DFL)
        typer.echo("hotadd: stopping after the current block; once more stops at once.", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
