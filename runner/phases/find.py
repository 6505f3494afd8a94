"""D: the blocks in which the volumes came to deviate from their integrity snapshots, since these were taken.

Injection wrote there, and whatever the destination did while it ran. Two ways to find them: a snapshot of now and
ListChangedBlocks, whose cost is that of what changed; or reading the volume, whose cost is that of the volume, and
which ends sooner on small ones.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from runner.aws.ebs_direct import changed_blocks
from runner.aws.instances import find_instance
from runner.aws.snapshots import wait_completed
from runner.aws.temporary import TemporaryErrored, find_temporary, remove, snapshot_for_a_look, sweep
from runner.blocks.deviation import find_deviating, runs
from runner.blocks.device import open_device
from runner.blocks.digests import DigestFile
from runner.phases.job import Job
from runner.phases.records import is_committed
from runner.phases.reference import Reference
from schemas.spec import Spec

MAKER = "replicate"
_STEP = "find"
# A volume under 8 GiB is read in 65 s at gp3's base throughput of 125 MiB/s; a snapshot rarely completes sooner.
_READ_BELOW = 8 << 30


def reads(spec: Spec, volume_bytes: int) -> bool:
    """Whether a volume of that size is read; else it is asked by a snapshot."""
    find = spec.integrity.find
    return volume_bytes < _READ_BELOW if find == "auto" else find == "read"


def look_ahead(job: Job) -> None:
    """While the destination still runs, snapshot the volumes: the snapshot after its stop is then a small one.

    It stays until that one is completed. Nothing is waited for where the destination does not run.
    """
    outputs = job.project().outputs()
    if is_committed(job.generation_directory) or job.run.repair or outputs is None or outputs.phase != "target":
        return
    instance = find_instance(job.account, outputs.instance_id)
    if instance is None or instance.state != "running":
        return
    large = {
        disk: volume
        for disk, volume in outputs.volumes.items()
        if not reads(job.spec, outputs.sizes_gib[disk] * (1 << 30))
    }
    if not large:
        return
    sweep(job.account, job.spec.name, MAKER, job.stop)
    made = {_snapshot(job, disk, volume): volume for disk, volume in large.items()}
    _wait(job, made, "look ahead")


def find_all(job: Job, reference: Reference, devices: dict[str, Path]) -> dict[str, list[tuple[int, int]]]:
    """(first, count) runs of deviating 512 KiB blocks by disk id: a superset. The volumes are attached to us alone.

    What is made to find them is removed; what a run that died left, too.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    left = [one.id for one in find_temporary(job.account, job.spec.name) if one.maker == MAKER]
    asked = {
        disk.id: _snapshot(job, disk.id, disk.volume_id)
        for disk in reference.manifest.disks
        if not reads(job.spec, disk.volume_bytes)
    }
    for temporary in left:  # only now: what was taken ahead of the stop makes the new one small
        remove(job.account, temporary, job.stop)
    for disk_id, path in devices.items():
        if disk_id not in asked:
            found[disk_id] = _read(job, reference.digests[disk_id], path)
    if asked:
        volumes = {asked[disk.id]: disk.volume_id for disk in reference.manifest.disks if disk.id in asked}
        _wait(job, volumes, _STEP)
    for disk_id, snapshot_id in asked.items():
        before = reference.disk(disk_id).integrity_snapshot_id
        found[disk_id] = list(runs(b.index for b in changed_blocks(job.account, before, snapshot_id)))
    clear(job)
    for disk_id, blocks in found.items():
        count = sum(n for _, n in blocks)
        job.journal.tell(_STEP, f"{disk_id}: {count} blocks of the volume deviate from its integrity snapshot.")
    return found


def clear(job: Job) -> None:
    """Remove the temporary snapshots of this run and of those that died."""
    sweep(job.account, job.spec.name, MAKER, job.stop)


def _snapshot(job: Job, disk: str, volume_id: str) -> str:
    return snapshot_for_a_look(job.account, job.spec.name, disk, volume_id, MAKER, job.spec.tags)


def _wait(job: Job, snapshots: dict[str, str], step: str) -> None:
    wait_completed(job.account, snapshots, job.stop, lambda said: job.journal.tell(step, said), TemporaryErrored)


def _read(job: Job, digests: Path, path: Path) -> list[tuple[int, int]]:
    with closing(open_device(str(path))) as device, closing(DigestFile.open(digests)) as reference:
        return find_deviating(device, reference, progress=lambda p: job.tell_progress(_STEP, p), stop=job.stop)
