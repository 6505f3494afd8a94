"""Which run is due: the one that was under way, the first full one, or the next incremental."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from runner.aws.snapshots import find_snapshots
from runner.journal import timestamp
from runner.phases import underway
from runner.phases.job import Job
from runner.phases.overtaken import is_overtaken
from runner.phases.readable import readable_manifests
from runner.phases.records import read_record, write_record
from runner.phases.reference import ReferenceMissing, check_newest
from runner.phases.run import Run, next_generation, run_file
from schemas.document import DocumentDamaged
from schemas.errors import Refused

Mode = Literal["auto", "full", "incremental"]


class AlreadyReplicated(Refused):
    """A full replication is complete."""

    def __init__(self, name: str, generation: int) -> None:
        super().__init__(
            f"{name} is replicated (generation {generation}).",
            "`hotadd status` shows it; to start over, `hotadd decommission` it first.",
        )
        self.generation = generation


class NothingToBuildOn(Refused):
    """An incremental is asked for, and no generation has its data and snapshots complete."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no generation that an incremental could compare with.",
            "Run it in full: `hotadd replicate` without --mode.",
        )
        self.name = name


class RestoredOnce(Refused):
    """The machine was restored without replication: there is nothing to compare with."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was restored once, without replication: its integrity snapshots are deleted.",
            "`hotadd replicate --repair` takes it into replication, by comparing whole volumes with the source; "
            "`hotadd decommission` removes it.",
        )
        self.name = name


class OtherUnderWay(Refused):
    """A replication is under way where a restore is asked for, or the other way round."""

    def __init__(self, name: str, command: str) -> None:
        super().__init__(f"A `hotadd {command}` of {name} is under way.", f"Finish it with `hotadd {command}`.")
        self.name = name
        self.command = command


class RollbackUnderWay(Refused):
    """A rollback was begun and is not finished."""

    def __init__(self, name: str, generation: int) -> None:
        super().__init__(
            f"{name} is on its way back to generation {generation}.",
            f"Finish it with `hotadd rollback --generation {generation}`, or take the source's data with "
            "`hotadd replicate --mode incremental`.",
        )
        self.generation = generation


class GenerationUnknown(Refused):
    """There is no such generation to go back to."""

    def __init__(self, name: str, generation: int, known: tuple[int, ...]) -> None:
        listed = ", ".join(map(str, known)) or "none"
        super().__init__(
            f"{name} cannot go back to generation {generation}; those kept are: {listed}.",
            "`hotadd history` lists them; integrity.retention says how many are kept.",
        )
        self.generation = generation
        self.known = known


def replication_due(job: Job, mode: Mode = "auto", *, repair: bool = False) -> Run:
    """The run that `hotadd replicate` is to make or to go on with; written down.

    Raises the classes above, and of a new incremental `ReferenceMissing`, `ReferenceOutdated`, `DocumentDamaged`.
    """
    under_way = read_record(run_file(job.home.work), Run)
    if under_way is not None and under_way.once:
        raise OtherUnderWay(job.spec.name, "restore-vm")
    if repair and under_way is not None and _is_unreadable(job, under_way.generation):
        return _written(job, _incremental(job, under_way, repair))
    if under_way is not None and has_ended(job, under_way):
        return under_way
    if under_way is not None and is_overtaken(job, under_way):
        if mode == "full" and (made := job.manifests.generations()):
            raise AlreadyReplicated(job.spec.name, made[-1])
        # Its number is not taken again while its files are here: they are of other data.
        return _written(job, _incremental(job, under_way, repair))
    if under_way is None:
        under_way = _unrecorded(job, repair)
    if under_way is not None and mode != "full" and under_way.kind == "rollback":
        if mode == "auto":
            raise RollbackUnderWay(job.spec.name, under_way.reference)
        return _written(job, _incremental(job, under_way, repair))
    if under_way is not None and (mode == "auto" or mode == under_way.kind):
        return _written(job, replace(under_way, repair=under_way.repair or (repair and under_way.kind != "full")))
    numbers = job.manifests.generations()
    if mode == "full" and numbers:
        raise AlreadyReplicated(job.spec.name, numbers[-1])
    if under_way is not None or numbers or repair:
        return _written(job, _incremental(job, under_way, repair))
    if mode == "incremental":
        raise NothingToBuildOn(job.spec.name)
    return _written(job, Run("full", 1, began=timestamp()))


def rollback_due(job: Job, generation: int) -> Run:
    """The run that leads back to a generation; written down.

    Raises `GenerationUnknown`, `OtherUnderWay`, `DocumentDamaged`.
    """
    under_way = read_record(run_file(job.home.work), Run)
    if under_way is not None and under_way.once:
        raise OtherUnderWay(job.spec.name, "restore-vm")
    same = under_way is not None and (under_way.kind, under_way.reference) == ("rollback", generation)
    if under_way is not None and same and not is_overtaken(job, under_way):
        return under_way
    readable, _ = readable_manifests(job.manifests)
    known = tuple(m.generation for m in readable if m.status != "pruned")
    if generation not in known:
        raise GenerationUnknown(job.spec.name, generation, known)
    return _written(job, Run("rollback", _next(job, under_way), generation, began=timestamp()))


def restore_due(job: Job) -> Run:
    """The restore without replication that is to be made or gone on with; written down.

    Raises `AlreadyReplicated`, `RestoredOnce` and `OtherUnderWay`.
    """
    under_way = read_record(run_file(job.home.work), Run)
    if under_way is not None and under_way.once:
        return _written(job, under_way)
    if under_way is not None:
        raise OtherUnderWay(job.spec.name, "replicate")
    latest = job.manifests.latest()
    if latest is not None and latest.status == "pruned":
        raise RestoredOnce(job.spec.name)
    if latest is not None:
        raise AlreadyReplicated(job.spec.name, latest.generation)
    return _written(job, Run("full", 1, began=timestamp(), once=True))


def has_ended(job: Job, run: Run) -> bool:
    """Whether a run came to its end, and only the note of that is missing."""
    if job.home.generation(run.generation).exists() or run.generation not in job.manifests.generations():
        return False  # before the manifest is read: a run under way may have to go past a damaged one
    return underway.has_ended(job.home, run, job.manifests.read(run.generation))


def forget(job: Job) -> None:
    """The run is at its end."""
    run_file(job.home.work).unlink(missing_ok=True)


def _unrecorded(job: Job, repair: bool) -> Run | None:
    """A run of which no record is here; a repair goes past one that left no manifest, or a damaged one."""
    numbers = job.manifests.generations()
    if repair and (not numbers or _is_unreadable(job, numbers[-1])):
        return None
    newest = max(numbers, default=0)
    if not any(job.home.generation(number).exists() for number in (newest, newest + 1)):
        return None  # a damaged manifest is in nobody's way here
    found = underway.unrecorded(job.home, job.manifests.read(numbers[-1]) if numbers else None)
    return None if found is None else replace(found, began=found.began or timestamp())


def _incremental(job: Job, abandoned: Run | None, repair: bool) -> Run:
    """The next incremental, compared with the newest generation that is complete."""
    run = Run("incremental", _next(job, abandoned), 0, repair, timestamp())
    if repair:
        tagged = [one.generation for one in find_snapshots(job.account, job.spec.name)]
        return replace(run, generation=max(run.generation, 1 + max(tagged, default=0)))
    numbers = job.manifests.generations()
    if not numbers:
        raise NothingToBuildOn(job.spec.name)
    newest = job.manifests.read(numbers[-1])
    if newest is not None and newest.status == "pruned":
        raise RestoredOnce(job.spec.name)
    if newest is None:
        raise ReferenceMissing(job.spec.name, numbers[-1])
    run = replace(run, reference=newest.generation)
    check_newest(job.of(run))
    return run


def _next(job: Job, abandoned: Run | None) -> int:
    """A number that no generation has, nor the files of a run that was given up."""
    has_files = abandoned is not None and job.home.generation(abandoned.generation).exists()
    return next_generation(max(job.manifests.generations(), default=0), abandoned, has_files=has_files)


def _is_unreadable(job: Job, generation: int) -> bool:
    """Whether a generation's manifest is there and damaged: who repairs gives it up, and takes another number."""
    try:
        job.manifests.read(generation)
    except DocumentDamaged:
        return True
    return False


def _written(job: Job, run: Run) -> Run:
    write_record(run_file(job.home.work), run)
    return run
