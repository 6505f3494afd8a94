"""A spec's disks and wishes, as the guest conversion takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.guest.conversion import GuestDisk
from runner.guest.facts import Options
from schemas.spec import Spec


def guest_disks(spec: Spec, devices: Mapping[str, Path] | None = None) -> list[GuestDisk]:
    """The disks in the spec's order: the source's own files, or the devices their data is on."""
    return [GuestDisk(d.id, Path(d.path) if devices is None else devices[d.id], boot=d.boot) for d in spec.source.disks]


def guest_options(spec: Spec) -> Options:
    """What the spec wants of the conversion."""
    return Options(network=spec.network, os=spec.source.os, firmware=spec.source.firmware)
