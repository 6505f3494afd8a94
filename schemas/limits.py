"""What EBS allows a volume to be, by type.

Source: "Amazon EBS volume types" of the EBS User Guide. gp3 grew from 16 to 64 TiB, 80,000 IOPS and 2,000 MiB/s in
September 2025; io2 Block Express takes 64 TiB and 256,000 IOPS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.spec import VolumeSettings, VolumeType


@dataclass(frozen=True)
class VolumeLimits:
    """Sizes in GiB, IOPS per volume and per GiB, throughput in MiB/s; None where it cannot be set."""

    gib: tuple[int, int]
    iops: tuple[int, int] | None = None
    iops_per_gib: int | None = None
    iops_needed: bool = False
    throughput: tuple[int, int] | None = None


LIMITS: dict[VolumeType, VolumeLimits] = {
    "gp3": VolumeLimits((1, 65536), (3000, 80000), 500, throughput=(125, 2000)),
    "gp2": VolumeLimits((1, 16384)),
    "io1": VolumeLimits((4, 16384), (100, 64000), 50, iops_needed=True),
    "io2": VolumeLimits((4, 65536), (100, 256000), 1000, iops_needed=True),
    "st1": VolumeLimits((125, 16384)),
    "sc1": VolumeLimits((125, 16384)),
}


def volume_faults(volume: VolumeSettings, size_gib: int) -> Iterator[tuple[str, str, str]]:
    """What EBS would refuse: (key, sentence, hint) each."""
    limits = LIMITS[volume.type]
    low, high = limits.gib
    if not low <= size_gib <= high:
        sentence = f"A {volume.type} volume has {low} to {high} GiB, not {size_gib}."
        yield "size_gib", sentence, "Take a volume type that allows this size."
    if limits.iops_needed and volume.iops is None:
        yield "iops", f"{volume.type} needs iops.", "Set destination.volume.iops."
    if volume.iops is not None:
        if limits.iops is None:
            yield "iops", f"{volume.type} takes no iops.", "Leave it out, or take gp3, io1 or io2."
        else:
            most = min(limits.iops[1], max(limits.iops[0], size_gib * (limits.iops_per_gib or 1)))
            if not limits.iops[0] <= volume.iops <= most:
                sentence = f"A {volume.type} volume of {size_gib} GiB takes {limits.iops[0]} to {most} iops."
                yield "iops", sentence, f"It says {volume.iops}."
    if volume.throughput is not None:
        if limits.throughput is None:
            yield "throughput", f"{volume.type} takes no throughput.", "Leave it out, or take gp3."
        elif not limits.throughput[0] <= volume.throughput <= limits.throughput[1]:
            low, high = limits.throughput
            yield "throughput", f"gp3 takes {low} to {high} MiB/s.", f"It says {volume.throughput}."
    if volume.kms_key_id is not None and not volume.encrypted:
        yield "kms_key_id", "A KMS key is named, but encryption is off.", "Remove `encrypted: false`, or the key."
