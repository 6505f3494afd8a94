"""What steps cost, roughly: bytes, snapshots, minutes. Rates are constants, each with where it comes from.

They are for a reviewer who asks "an hour or a weekend?"; docs/plan.md says how far to trust them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.phases.find import reads
from runner.plan.world import GIB, World
from schemas.plan import Cost
from schemas.spec import Spec, VolumeType

_MIB = 1 << 20
# MiB/s of a volume without provisioned throughput ("Amazon EBS volume types"): gp3's baseline; gp2 up to 170 GiB has
# 128, larger ones 250; io1 and io2 by IOPS (256 KiB each), up to 1000 and 4000; st1's and sc1's by size.
_BASELINE: Mapping[VolumeType, float] = {"gp3": 125, "gp2": 128, "io1": 500, "io2": 500, "st1": 40, "sc1": 12}
# AWS names no rate for snapshots ("Why is my EBS snapshot creation slow": it depends on the changed blocks). Assumed.
_SNAPSHOT_MIB_S = 100.0
# The share of a volume that its replica changed since the integrity snapshot: an assumption, too.
_DEVIATES = 0.05
# Minutes of steps that do not hang on the amount of data, as measured in the demo (README.md) and rounded up. The
# guest's conversion ran without KVM there.
_FIXED: Mapping[str, float] = {
    "preflight": 1.5,
    "apply staging": 1.0,
    "prepare guest": 2.5,
    "apply detached": 0.5,
    "apply launched": 0.5,
    "root swap": 0.5,
    "apply target": 0.75,
    "start": 3.0,
    "stop": 2.0,
    "prune": 0.2,
    "destroy": 2.0,
}
_QUICK = 0.1
# Steps whose time is that of their data: another run's time says nothing of them.
_BY_DATA = ("restore", "find and restore", "snapshots completed", "prepare guest")


def cost_of(step: str, world: World) -> Cost:
    """The cost of a step that is still to be done."""
    reckon = _RECKONED.get(step)
    if reckon is not None:
        return reckon(world)
    seconds = world.earlier.get(step) if step not in _BY_DATA else None
    if seconds is not None:
        return _cost(minutes=seconds / 60, earlier=True)
    return _cost(minutes=_FIXED.get(step, _QUICK))


NOTHING = Cost(0, 0, False, 0, 0.0, "rates")


def seen(world: World) -> bool:
    """Whether every source was looked into on this machine, so that the bytes are known and no bounds."""
    return len(world.sources) == len(world.spec.source.disks) and all(s.exact for s in world.sources.values())


def data_bytes(world: World) -> int:
    """Bytes of data in the sources; of those that are not here, their volumes' sizes."""
    return sum(_data(world))


def source_bytes(world: World) -> int:
    """Bytes of the sources, holes and all; of those that are not here, their volumes' sizes."""
    disks = world.spec.source.disks
    return sum(world.sources[d.id].record.bytes if d.id in world.sources else d.size_gib * GIB for d in disks)


def _restore(world: World) -> Cost:
    data = data_bytes(world)
    return _cost(read=data, written=data, at_most=not seen(world), minutes=_copy_minutes(world))


def _find_and_restore(world: World) -> Cost:
    """The whole source is read and compared (a changed-block list may spare most of it); how much differs is not known
    before, so what the last run wrote stands for it where there was one."""
    last = 0 if world.manifest is None else sum(disk.bytes_written for disk in world.manifest.disks)
    known = world.manifest is not None and world.manifest.kind == "incremental" and last > 0
    written = last if known else source_bytes(world)
    looks = _asked_by_snapshot(world)
    return _cost(read=source_bytes(world), written=written, at_most=True, snapshots=looks, minutes=_copy_minutes(world))


def _snapshots(world: World) -> Cost:
    return _cost(snapshots=len(world.spec.source.disks), minutes=_QUICK)


def _look_ahead(world: World) -> Cost:
    """Temporary snapshots of the large volumes, if the destination runs; removed afterwards."""
    asked = 0 if world.destination == "stopped" else _asked_by_snapshot(world)
    changed = [disk.size_gib for disk in world.spec.source.disks] if asked else [0]
    return _cost(snapshots=asked, minutes=max(changed) * GIB * _DEVIATES / _MIB / _SNAPSHOT_MIB_S / 60)


def _asked_by_snapshot(world: World) -> int:
    """How many volumes are asked by a snapshot what became of them; the others are read (runner/phases/find.py)."""
    return sum(not reads(world.spec, disk.size_gib * GIB) for disk in world.spec.source.disks)


def _completed(world: World) -> Cost:
    return _cost(minutes=max(_data(world)) / _MIB / _SNAPSHOT_MIB_S / 60)


def _data(world: World) -> list[int]:
    disks = world.spec.source.disks
    return [world.sources[d.id].bytes_data if d.id in world.sources else d.size_gib * GIB for d in disks]


def _copy_minutes(world: World) -> float:
    rate = _rate(world.spec) * _MIB * 60
    sizes = _data(world)
    limit = world.spec.copy.rate_mb_s
    slowest = sum(sizes) / (limit * 1e6 * 60) if limit is not None else 0.0
    return max(max(sizes) / rate, sum(sizes) / rate / world.spec.copy.disks_at_once, slowest)


def _rate(spec: Spec) -> float:
    volume = spec.destination.volume
    if volume.throughput is not None:
        return float(volume.throughput)
    if volume.iops is not None and volume.type in ("io1", "io2"):
        return min(volume.iops / 4, 1000.0 if volume.type == "io1" else 4000.0)
    return _BASELINE[volume.type]


def _cost(
    *,
    read: int = 0,
    written: int = 0,
    at_most: bool = False,
    snapshots: int = 0,
    minutes: float = 0.0,
    earlier: bool = False,
) -> Cost:
    return Cost(read, written, at_most, snapshots, round(minutes, 2), "earlier run" if earlier else "rates")


_RECKONED: Mapping[str, Callable[[World], Cost]] = {
    "restore": _restore,
    "find and restore": _find_and_restore,
    "snapshot": _snapshots,
    "snapshots completed": _completed,
    "look ahead": _look_ahead,
}
