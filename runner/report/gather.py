"""What there is to tell of a machine: read from its home and its manifests, without Terraform and without EC2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from runner.blocks.digests import DigestFile
from runner.blocks.errors import DigestsDamaged
from runner.home import Home
from runner.manifests import ManifestStore
from runner.packed import PackedDamaged
from runner.phases.digestfiles import DigestsDiffer, DigestsMissing, open_digests
from runner.phases.holder import holder_of
from runner.phases.state import read_state
from runner.phases.underway import run_under_way
from runner.report.blockmap import map_disk
from runner.report.machine import DiskMap, Machine
from runner.report.runs import Runs, runs_of_bytes
from runner.report.standing import standing
from runner.report.steps import last_run
from runner.terraform.statefile import NO_STATE
from schemas.document import Kind, read_document
from schemas.drift import Drift
from schemas.drill import DrillVerdict
from schemas.errors import HotaddError
from schemas.manifest import DiskRecord, Manifest
from schemas.spec import Spec

Found = TypeVar("Found")

# A machine that is replicated every hour has thousands; each costs a read, from S3 perhaps, and a line of the page.
_GENERATIONS = 30
_UNUSABLE = (DigestsMissing, DigestsDiffer, DigestsDamaged, PackedDamaged)


def gather(spec: Spec, home: Home, manifests: ManifestStore, *, cells: int) -> Machine:
    """Everything of one machine; each disk's map has at most `cells` cells.

    What cannot be read is told in `faults` and left out: one damaged document must not hide the other machines.
    """
    faults: list[str] = []
    generations, older = _generations(manifests, faults)
    latest = generations[-1] if generations else None
    state = _tried(lambda: read_state(spec, home), NO_STATE, faults)
    run = last_run(home.events)
    drift = _tried(lambda: _look(home.work / "drift.json", "drift", Drift), None, faults)
    drill = _tried(lambda: _look(home.work / "drill.json", "drill", DrillVerdict), None, faults)
    before = _before(generations)
    disks = () if latest is None else tuple(_disk(one, latest, before, manifests, drift, cells) for one in latest.disks)
    under_way = _tried(lambda: run_under_way(home, latest), None, faults)
    holder = _tried(lambda: holder_of(spec, home), "", faults)
    told, healthy = standing(latest, run.last, under_way, holder)
    outputs = state.outputs
    return Machine(
        name=spec.name,
        region=spec.region,
        state=told,
        holder=holder,
        under_way=under_way,
        healthy=healthy and not faults,
        phase=None if outputs is None else outputs.phase,
        instance_id=outputs.instance_id if outputs is not None else "",
        access_node_id=outputs.access_node_id if outputs is not None else "",
        generations=generations,
        older=older,
        disks=disks,
        steps=run.steps,
        since=run.since,
        drift=drift,
        drill=drill,
        faults=tuple(faults),
    )


def _tried(read: Callable[[], Found], otherwise: Found, faults: list[str]) -> Found:
    try:
        return read()
    except HotaddError as error:
        faults.append(error.sentence)
        return otherwise


def _look(file: Path, kind: Kind, model: type[Found]) -> Found | None:
    """A document that a command left in the home; None if it never ran."""
    return read_document(file.read_bytes(), kind, model, str(file)) if file.exists() else None


def _generations(manifests: ManifestStore, faults: list[str]) -> tuple[tuple[Manifest, ...], int]:
    """The newest generations, and how many there are before them."""
    nothing: list[int] = []
    numbers = _tried(manifests.generations, nothing, faults)
    found = [_tried(partial(manifests.read, number), None, faults) for number in numbers[-_GENERATIONS:]]
    return tuple(manifest for manifest in found if manifest is not None), len(numbers[:-_GENERATIONS])


def _before(generations: tuple[Manifest, ...]) -> Manifest | None:
    """The generation that the volumes held before the latest: what moved is told against it."""
    return generations[-2] if len(generations) > 1 else None


def _disk(
    disk: DiskRecord,
    latest: Manifest,
    before: Manifest | None,
    manifests: ManifestStore,
    drift: Drift | None,
    cells: int,
) -> DiskMap:
    told = DiskMap(disk.id, disk.volume_bytes, disk.volume_id, disk.integrity_snapshot_id, None, 0, "")
    with ExitStack() as stack:
        try:
            now = _open(manifests, latest, disk, stack)
        except _UNUSABLE as error:
            return replace(told, note=f"No map: {_why(error, latest)}.")
        earlier = None
        if before is not None:
            try:
                earlier = next(
                    (_open(manifests, before, one, stack) for one in before.disks if one.id == disk.id), None
                )
            except _UNUSABLE as error:
                told = replace(told, note=f"Changed blocks are not shown: {_why(error, before)}.")
        injected = runs_of_bytes((block.offset, block.length) for block in disk.injected)
        drifted = _drifted(drift, latest.generation, disk)
        made = map_disk(now, earlier, injected, drifted, size=disk.volume_bytes, cells=cells)
    compared = before.generation if before is not None and earlier is not None else 0
    return replace(told, map=made, compared=compared)


def _open(manifests: ManifestStore, manifest: Manifest, disk: DiskRecord, stack: ExitStack) -> DigestFile:
    return stack.enter_context(closing(open_digests(manifests, manifest.generation, disk)))


def _why(error: HotaddError, manifest: Manifest) -> str:
    if not isinstance(error, DigestsMissing):
        return f"the digest file of generation {manifest.generation} is damaged"
    if manifest.status == "pruned":
        return f"generation {manifest.generation} was pruned, and its digests with it"
    return f"the digest file of generation {manifest.generation} is not on this machine"


def _drifted(drift: Drift | None, generation: int, disk: DiskRecord) -> Runs:
    """The runs of blocks that the last look found drifted, if it looked at this generation on this volume."""
    if drift is None or drift.generation != generation:
        return ()
    found = [one for one in drift.disks if (one.id, one.volume_id) == (disk.id, disk.volume_id)]
    return runs_of_bytes((part.offset, part.length) for one in found for part in one.ranges)
