"""What EBS allows a volume to be, by type.

Source: "Amazon EBS volume types" of the EBS User Guide. gp3 grew from 16 to 64 TiB, 80,000 IOPS and 2,000 MiB/s in
September 2025, with 500 IOPS a GiB and 0.25 MiB/s an IOPS; io2 Block Express takes 64 TiB and 256,000 IOPS; st1 and
sc1 volumes cannot boot, and every replica has a boot disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.spec import VolumeSettings, VolumeType

_GP3_IOPS = 3000  # what a gp3 volume has unless more is asked for
_IOPS_PER_MIB = 4  # gp3: 0.25 MiB/s of throughput an IOPS


@dataclass(frozen=True)
class VolumeLimits:
    """Sizes in GiB, IOPS per volume and per GiB, throughput in MiB/s; None where it cannot be set."""

    gib: tuple[int, int]
    iops: tuple[int, int] | None = None
    iops_per_gib: int = 0
    iops_needed: bool = False
    throughput: tuple[int, int] | None = None
    boots: bool = True


LIMITS: dict[VolumeType, VolumeLimits] = {
    "gp3": VolumeLimits((1, 65536), (3000, 80000), 500, throughput=(125, 2000)),
    "gp2": VolumeLimits((1, 16384)),
    "io1": VolumeLimits((4, 16384), (100, 64000), 50, iops_needed=True),
    "io2": VolumeLimits((4, 65536), (100, 256000), 1000, iops_needed=True),
    "st1": VolumeLimits((125, 16384), boots=False),
    "sc1": VolumeLimits((125, 16384), boots=False),
}


def size_faults(volume: VolumeSettings, size_gib: int) -> Iterator[tuple[str, str]]:
    """What EBS would refuse of a volume of this size: (sentence, hint) each."""
    limits = LIMITS[volume.type]
    low, high = limits.gib
    if not low <= size_gib <= high:
        sentence = f"Volumes of type {volume.type} have {low} to {high} GiB, not {size_gib}."
        yield sentence, "Take a volume type that allows this size."
    elif volume.iops is not None and limits.iops is not None:
        # Below the type's own least, it is no matter of size: `volume_faults` tells.
        most = max(limits.iops[0], size_gib * limits.iops_per_gib)
        if most < volume.iops <= limits.iops[1]:
            sentence = f"{size_gib} GiB of {volume.type} take {most} iops at most, not {volume.iops}."
            yield sentence, "Make the disk larger, or destination.volume.iops smaller."


def volume_faults(volume: VolumeSettings) -> Iterator[tuple[str, str, str]]:
    """What EBS would refuse whatever the size: (key, sentence, hint) each."""
    limits = LIMITS[volume.type]
    if not limits.boots:
        yield "type", f"A volume of type {volume.type} cannot boot, and one of these does.", "Take gp3."
    if volume.iops is None:
        if limits.iops_needed:
            yield "iops", f"{volume.type} needs iops.", "Set destination.volume.iops."
    elif limits.iops is None:
        yield "iops", f"{volume.type} takes no iops.", "Leave it out, or take gp3, io1 or io2."
    elif not limits.iops[0] <= volume.iops <= limits.iops[1]:
        low, high = limits.iops
        yield "iops", f"{volume.type} takes {low} to {high} iops.", f"It says {volume.iops}."
    yield from _throughput_faults(volume, limits)
    if volume.kms_key_id is not None and not volume.encrypted:
        yield "kms_key_id", "A KMS key is named, but encryption is off.", "Remove `encrypted: false`, or the key."


def _throughput_faults(volume: VolumeSettings, limits: VolumeLimits) -> Iterator[tuple[str, str, str]]:
    if volume.throughput is None:
        return
    if limits.throughput is None:
        yield "throughput", f"{volume.type} takes no throughput.", "Leave it out, or take gp3."
        return
    low, high = limits.throughput
    needed = volume.throughput * _IOPS_PER_MIB
    if not low <= volume.throughput <= high:
        yield "throughput", f"{volume.type} takes {low} to {high} MiB/s.", f"It says {volume.throughput}."
    elif needed > (volume.iops or _GP3_IOPS):
        sentence = f"{volume.throughput} MiB/s need {needed} iops, and there are {volume.iops or _GP3_IOPS}."
        yield "throughput", sentence, f"Set destination.volume.iops to {needed}."
