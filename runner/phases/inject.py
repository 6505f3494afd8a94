"""Making the guest bootable: prepared in overlays, recorded in the manifest, then committed to the volumes.

prepare reads and edits overlays only; the manifest `prepared` holds their changed blocks with after-digests; commit
copies those down as a redo log. A kill before the commit: the overlays are thrown away and made again. During it:
redone. Overlays lost during it: the injected blocks are rewritten from the source, and everything is prepared anew.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from runner.blocks.device import open_device
from runner.blocks.digests import ZERO, DigestFile, digest_of
from runner.blocks.errors import DigestsDamaged
from runner.blocks.extent import BLOCK
from runner.guest import luks_at_boot
from runner.guest.conversion import Prepared, check, commit, prepare
from runner.guest.facts import GuestFacts
from runner.journal import timestamp
from runner.phases.again import copy_again
from runner.phases.device import check_unheld, find_device
from runner.phases.digestfiles import DigestsDiffer, DigestsMissing, open_digests
from runner.phases.guests import guest_disks, guest_options
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.origin import opened
from runner.phases.overtaken import check_not_overtaken
from runner.phases.records import (
    Again,
    Committed,
    Restored,
    again_file,
    committed_file,
    injection_file,
    is_committed,
    read_record,
    restored_file,
    write_record,
)
from runner.phases.snapshot import NotRestored, begun_disks, check_completed, complete_snapshots, prepared_manifest
from schemas.errors import IntegrityViolated
from schemas.manifest import DiskRecord, EditRecord, InjectedBlock, Manifest


class SourceMoved(IntegrityViolated):
    """A source changed after it was copied, where its old bytes are needed."""

    def __init__(self, disk: str) -> None:
        super().__init__(
            f"A commit of disk {disk} may have begun, its overlay is lost, and its source changed since it was copied.",
            "Run `hotadd replicate` again: it copies the data anew, and goes on from there.",
        )
        self.disk = disk


def prepare_guest(job: Job) -> None:
    """Convert the guest in overlays over its volumes; the volumes themselves are only read."""
    if is_committed(job.generation_directory):
        return
    if not copy_again(job) and _prepared(job) is not None:
        return
    _rewrite_from_source(job, begun_disks(job))
    injection_file(job.generation_directory).unlink(missing_ok=True)  # never beside overlays it does not describe
    options = guest_options(job.spec)
    made = prepare(guest_disks(job.spec, _devices(job)), options, job.generation_directory)
    check(made.facts, options)
    for edit in made.edits:
        job.journal.tell("inject", f"{edit.path}: {edit.action}")
    for waits in luks_at_boot.told(made.facts):
        job.journal.tell("inject", waits)
    write_record(injection_file(job.generation_directory), made)


def write_prepared(job: Job) -> None:
    """Write the manifest `prepared`: data and integrity snapshots are complete, the injected blocks are known."""
    if job.manifests.read(job.generation) is not None and is_committed(job.generation_directory):
        return
    complete_snapshots(job)  # one may be lost since it was completed; nothing is injected yet, so it is taken again
    snapshots = check_completed(job)
    prepared = _prepared(job)
    if prepared is None:
        prepare_guest(job)
        prepared = _prepared(job)
    assert prepared is not None
    injected = {
        disk.id: tuple(InjectedBlock(c.offset, c.length, c.digest_hex) for c in disk.clusters)
        for disk in prepared.disks
    }
    disks = []
    for disk in job.spec.source.disks:
        restored = read_record(restored_file(job.generation_directory, disk.id), Restored)
        if restored is None:
            raise NotRestored(disk.id)
        digests = job.manifests.digest_file(job.generation, disk.id).relative_to(job.manifests.directory)
        disks.append(
            DiskRecord(
                id=disk.id,
                volume_id=restored.volume_id,
                volume_bytes=restored.volume_bytes,
                source=restored.source,
                integrity_snapshot_id=snapshots[disk.id],
                digest_file=str(digests),
                digest_of_digests=restored.digest_of_digests,
                copy=restored.copy,
                injected=injected.get(disk.id, ()),
                bytes_changed=restored.bytes_changed,
                bytes_deviating=restored.bytes_deviating,
                bytes_written=restored.bytes_written,
            )
        )
    job.manifests.write(
        Manifest(
            version=1,
            replication=job.spec.name,
            generation=job.generation,
            kind=job.run.kind,
            status="prepared",
            created=timestamp(),
            region=job.spec.region,
            instance_id="",
            guest=_described(prepared.facts),
            disks=tuple(disks),
            edits=tuple(EditRecord(e.path, e.action, e.why) for e in prepared.edits),
            base=0 if job.run.repair else job.run.reference,
        )
    )


def commit_overlays(job: Job) -> None:
    """Copy the overlays' changed blocks onto the volumes, and record that it is done."""
    if is_committed(job.generation_directory):
        return
    check_not_overtaken(job)
    copy_again(job)
    prepared = _prepared(job)
    if prepared is None or prepared_manifest(job) is None:
        complete_snapshots(job)  # a disk that was restored anew has none of its new data yet
        prepare_guest(job)
        write_prepared(job)
        prepared = _prepared(job)
        assert prepared is not None
    devices = _devices(job)
    commit(prepared.disks, devices)
    for device in devices.values():
        check_unheld(device)
    blocks = sum(len(disk.clusters) for disk in prepared.disks)
    write_record(committed_file(job.generation_directory), Committed(job.generation, blocks))
    for disk in prepared.disks:
        disk.overlay.unlink(missing_ok=True)


def inject(job: Job) -> None:
    """All of it, for a pipeline that drives the phases itself."""
    require_phase(job, "inject", "staging")
    check_completed(job)
    prepare_guest(job)
    write_prepared(job)
    commit_overlays(job)


def _prepared(job: Job) -> Prepared | None:
    """What an earlier prepare made, if its overlays are still there."""
    made = read_record(injection_file(job.generation_directory), Prepared)
    if made is None:
        return None
    return made if all(disk.overlay.exists() for disk in made.disks) else None


def _devices(job: Job) -> dict[str, Path]:
    outputs = require_phase(job, "inject", "staging")
    return {disk: find_device(v, outputs.access_node_id, job.stop) for disk, v in outputs.volumes.items()}


def _rewrite_from_source(job: Job, records: tuple[DiskRecord, ...]) -> None:
    """Undo a commit that may have begun: the blocks it would have written get the source's bytes again."""
    devices = _devices(job) if records else {}
    for record in records:
        disk = job.spec.disk(record.id)
        wanted = [block.offset // BLOCK for block in record.injected]
        with ExitStack() as stack:
            source, now = stack.enter_context(opened(job, disk, wanted))
            device = stack.enter_context(closing(open_device(str(devices[record.id]))))
            digests = _digests(job, record)
            if now != record.source or digests is None:
                _copy_later(job, record.id)
                raise SourceMoved(disk.id)
            stack.enter_context(closing(digests))
            buffer = bytearray(BLOCK)
            for block in record.injected:
                window = memoryview(buffer)[: min(block.length, device.size - block.offset)]
                window[:] = bytes(len(window))
                inside = max(0, min(len(window), source.size - block.offset))
                if inside:
                    source.read_into(block.offset, window[:inside])
                if inside and not _is_block(digests, block.offset // BLOCK, window[:inside]):
                    _copy_later(job, record.id)  # of a block device or an NBD export nothing else tells that it changed
                    raise SourceMoved(disk.id)
                device.write(block.offset, window)
            device.flush()
        job.journal.tell("commit", f"{record.id}: {len(record.injected)} blocks are the source's again.")


def _digests(job: Job, record: DiskRecord) -> DigestFile | None:
    """The digests of what was copied, if they are there and the manifest's."""
    try:
        return open_digests(job.manifests, job.generation, record)
    except (DigestsMissing, DigestsDiffer, DigestsDamaged):
        return None


def _is_block(digests: DigestFile, number: int, content: memoryview) -> bool:
    """Whether these bytes, and zeroes up to a whole block, are what was copied."""
    whole = bytes(content).ljust(BLOCK, b"\0")
    known = digests.get(number)
    return not any(whole) if known is ZERO else known == digest_of(memoryview(whole))


def _copy_later(job: Job, disk_id: str) -> None:
    """Believe nothing of a disk's copy any more: the next try makes it anew."""
    write_record(again_file(job.generation_directory), Again(f"{disk_id}: its source changed since it was copied."))
    restored_file(job.generation_directory, disk_id).unlink(missing_ok=True)
    (job.generation_directory / f"{disk_id}.checkpoint").unlink(missing_ok=True)


def _described(facts: GuestFacts) -> str:
    kernels = ", ".join(kernel.version for kernel in facts.kernels) or "no kernel"
    return f"{facts.product or facts.distribution or facts.os}, {'/'.join(facts.firmwares)}, {kernels}"
