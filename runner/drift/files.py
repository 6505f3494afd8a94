"""Which files the differing blocks belong to: on the access node, on volumes made from the look's snapshots.

The guest is opened as in a conversion: in an appliance, by an unprivileged process, beneath overlays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runner.aws.temporary import attach, volume_for_a_look, wait_available
from runner.drift.traces import STEP, Temporaries
from runner.guest.conversion import GuestDisk
from runner.guest.owners import Owners
from runner.guest.ownership import whose
from runner.phases.device import find_device
from runner.phases.job import Job
from runner.phases.preflight import check_node, reserve_slots
from runner.phases.reservation import release_slots
from schemas.drift import DriftedDisk, DriftedFile
from schemas.spec import Spec


def name_files(job: Job, disks: tuple[DriftedDisk, ...], made: Temporaries) -> tuple[DriftedDisk, ...]:
    """The same disks, each with the files that its differing blocks belong to.

    All disks that were snapshot are opened, for a file system may lie on several. Raises `NodeUnfit`, `TooManyDisks`
    and `ConversionFailed`.
    """
    if not any(disk.blocks for disk in disks):
        return disks
    opened = [disk for disk in disks if disk.id in made.snapshots]
    spans = [[(one.offset, one.length) for one in disk.ranges] for disk in opened]
    with _devices(job, opened, made) as devices:
        job.journal.tell(STEP, "The disks are opened, to tell whose the differing blocks are.")
        boot = job.spec.boot_disk.id
        guest = [GuestDisk(d.id, device, d.id == boot) for d, device in zip(opened, devices, strict=True)]
        owners = whose(guest, spans, job.home.work / "drift" / "guest")
    named = {disk.id: _named(disk, number, owners) for number, disk in enumerate(opened)}
    return tuple(named.get(disk.id, disk) for disk in disks)


def _named(disk: DriftedDisk, number: int, owners: Owners) -> DriftedDisk:
    files = tuple(DriftedFile(one.device, one.path, one.bytes) for one in owners.files if one.disk == number)
    rest = [f"{one.bytes:,} bytes: {one.why}" for one in owners.rest if one.disk == number]
    return replace(disk, files=files, files_note="; ".join(rest))


@contextmanager
def _devices(job: Job, disks: Sequence[DriftedDisk], made: Temporaries) -> Iterator[list[Path]]:
    """Volumes of the look's snapshots, attached to the access node; the look's end removes them."""
    node = check_node(job)
    looking = _looking(job.spec, {disk.id for disk in disks})
    slots = reserve_slots(replace(job, spec=looking), None)
    try:
        volumes = {}
        for disk in disks:
            volumes[disk.id] = volume_for_a_look(
                job.account, job.spec.name, disk.id, made.snapshots[disk.id], node.zone, made.maker, job.spec.tags
            )
            made.made.append(volumes[disk.id])
        for disk in disks:
            wait_available(job.account, volumes[disk.id], job.stop)
            attach(job.account, volumes[disk.id], node.id, slots[disk.id])
        yield [find_device(volumes[disk.id], node.id, job.stop) for disk in disks]
    finally:
        release_slots(looking, node.id)


def _looking(spec: Spec, disks: set[str]) -> Spec:
    """The spec of these disks, under a name of its own in the slots' register: a replication may hold some there."""
    kept = tuple(disk for disk in spec.source.disks if disk.id in disks)
    return replace(spec, name=f"{spec.name} (drift)", source=replace(spec.source, disks=kept))
