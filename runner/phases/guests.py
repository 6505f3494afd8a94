"""A spec's disks and wishes, as the guest conversion takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from runner.aws.account import Account
from runner.guest.conversion import GuestDisk
from runner.guest.facts import Options
from runner.guest.luks_keys import read_keys
from runner.guest.served import ServedDisk
from runner.guest.windows.bundle import open_bundle
from runner.phases.sources import open_place
from schemas.location import is_local
from schemas.spec import Spec

_PLUGIN = Path(__file__).with_name("nbd_plugin.py")


def guest_disks(spec: Spec, devices: Mapping[str, Path] | None = None) -> list[GuestDisk]:
    """The disks in the spec's order: the source's own, or the devices their data is on."""
    if devices is not None:
        return [GuestDisk(d.id, devices[d.id], boot=d.boot) for d in spec.source.disks]
    account = Account(spec.region)
    return [GuestDisk(d.id, source_device(d.path, d.format, d.member, account), boot=d.boot) for d in spec.source.disks]


def source_device(location: str, format: str, member: str, account: Account) -> Path | ServedDisk:
    """A source disk as an appliance can have it beneath an overlay: a raw file itself, all else served by our readers.

    Raises what `open_place` does.
    """
    if format == "raw" and is_local(location):
        return Path(location)
    with closing(open_place(location, format, member, account)) as source:
        size = source.size
    at = os.path.abspath(location) if is_local(location) else location
    settings = {"location": at, "format": format, "member": member, "region": account.region}
    return ServedDisk(_PLUGIN, tuple(settings.items()), size, networked=not is_local(location))


def guest_options(spec: Spec) -> Options:
    """What the spec wants of the conversion.

    Raises what `open_bundle` and `read_keys` do: every file of a bundle of drivers and every file with a LUKS key is
    checked here, before anything is copied.
    """
    return Options(
        network=spec.network,
        os=spec.source.os,
        firmware=spec.source.firmware,
        unlisted=spec.guest.unlisted,
        cloud_init=spec.guest.cloud_init,
        bundle=None if spec.guest.drivers is None else open_bundle(Path(spec.guest.drivers)),
        luks_keys=read_keys([Path(key) for key in spec.guest.luks_keys]),
    )
