"""Pruning: integrity snapshots and digests of generations beyond the retention go. The newest always stays."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Collection, Sequence

from runner.aws.account import CallFailed
from runner.aws.snapshots import Snapshot, delete_snapshot, find_snapshots
from runner.phases.find import clear
from runner.phases.job import Job
from schemas.document import DocumentDamaged
from schemas.manifest import Manifest


def prune(job: Job) -> None:
    """Keep the newest `integrity.retention` generations whose snapshots are complete, and forget the older ones.

    A generation is first marked as pruned, so that nothing ever refers to a snapshot that is gone; a kill after that
    leaves snapshots, which the next run deletes. Tries of the newest generation that came to nothing go as well.
    """
    newest = job.manifests.read(job.generation)
    held = find_snapshots(job.account, job.spec.name)
    if newest is None or newest.status != "finished" or not is_good(newest, held):
        return
    clear(job)
    kept, gone, damaged = _sorted_out(job, held)
    for manifest in gone:
        if manifest.status != "pruned":
            job.manifests.write(dataclasses.replace(manifest, status="pruned"))
            job.journal.tell("prune", f"Generation {manifest.generation} is pruned.")
        job.manifests.drop_digests(manifest.generation)
    for one in doomed_snapshots(held, newest, kept, gone, damaged):
        delete_unless_wanted(job, one)
    for directory in job.home.work.glob("generation-*"):
        number = directory.name.removeprefix("generation-")
        # As numbers: as text, the ten thousandth would come before the second.
        if number.isdecimal() and int(number) < job.generation:
            shutil.rmtree(directory, ignore_errors=True)


def doomed_snapshots(
    held: Sequence[Snapshot],
    newest: Manifest,
    kept: Sequence[Manifest],
    gone: Sequence[Manifest],
    damaged: Collection[int],
) -> list[Snapshot]:
    """Those to delete: of generations that are gone, and of tries that came to nothing. Pure.

    Which snapshots a damaged manifest names is not known, so all of its generation stay: the manifest may be mended
    (in a bucket with versions, an older one of it), and then the generation is as good as it was.
    """
    named = {disk.integrity_snapshot_id for manifest in kept for disk in manifest.disks}
    doomed = {disk.integrity_snapshot_id for manifest in gone for disk in manifest.disks}
    ours = {disk.volume_id for disk in newest.disks}
    return [
        one
        for one in held
        if one.id not in named
        and one.generation not in damaged
        and (one.id in doomed or (one.generation <= newest.generation and one.volume_id in ours))
    ]


def is_good(manifest: Manifest, held: list[Snapshot]) -> bool:
    """Whether a generation can be gone back to: its snapshots are complete."""
    complete = {one.id for one in held if one.state == "completed"}
    return manifest.status != "pruned" and all(disk.integrity_snapshot_id in complete for disk in manifest.disks)


def _sorted_out(job: Job, held: list[Snapshot]) -> tuple[list[Manifest], list[Manifest], set[int]]:
    """The manifests to keep, those to forget, and the numbers of damaged ones.

    One that is no longer good does not count as kept.
    """
    kept: list[Manifest] = []
    gone: list[Manifest] = []
    damaged: set[int] = set()
    for number in reversed(job.manifests.generations()):
        try:
            manifest = job.manifests.read(number)
        except DocumentDamaged as error:
            # What a repair went past: it stays with its snapshots for whoever wants to look, and counts for nothing.
            job.journal.tell("prune", f"{error.sentence} Its snapshots stay.")
            damaged.add(number)
            continue
        if manifest is None or number > job.generation:
            continue
        if is_good(manifest, held) and len(kept) < job.spec.integrity.retention:
            kept.append(manifest)
        else:
            gone.append(manifest)
    return kept, gone, damaged


def delete_unless_wanted(job: Job, one: Snapshot, step: str = "prune") -> None:
    """Delete a snapshot; one that EC2 does not give up stays, and the journal hears why."""
    try:
        delete_snapshot(job.account, one.id)
    except CallFailed as error:
        # An AMI was made of it, or it is locked: somebody wants it, and it is theirs now.
        job.journal.tell(step, f"{one.id} stays: {error.sentence}")
