"""From what the probe found to what a user is told: the guest, and whether it can boot on EC2. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.guest import agents, luks_at_boot, support, verdict
from runner.guest.boot import table as boot
from runner.guest.edits import Step, record
from runner.guest.facts import Firmware, GuestFacts, Kernel, Options
from runner.guest.families import table, windows
from runner.guest.families.drivers import DRIVERS
from runner.guest.network import table as network
from runner.guest.refusals import StaticNetwork
from runner.guest.windows.volume_refusals import BundleUnnamed
from schemas.errors import Refused
from schemas.inspection import (
    InspectedChange,
    InspectedDisk,
    InspectedDriver,
    InspectedFileSystem,
    InspectedHypervisor,
    InspectedKernel,
    Inspection,
    Place,
)


def describe(facts: GuestFacts, disks: Sequence[InspectedDisk], firmware: Firmware | None = None) -> Inspection:
    """The whole of what is told. Without `firmware` the verdict is about the first that the boot disk is laid out for.

    `disks` are in the guest's order; their partition tables are taken from the facts.
    """
    laid_out: Firmware = facts.firmwares[0] if facts.firmwares else "bios"
    booted = firmware or laid_out
    reasons, advice, changes = _verdict(facts, booted)
    tables = (*facts.tables, *[""] * len(disks))
    row = support.row_of(facts)
    told = [verdict.fitness(facts, hypervisor, booted) for hypervisor in verdict.HYPERVISORS]
    return Inspection(
        version=1,
        supported=not reasons,
        reasons=reasons,
        advice=advice,
        os=facts.os,
        distribution=facts.distribution,
        release=facts.version,
        product=facts.product,
        edition=facts.registry.release.edition if facts.registry else "",
        row=row.id if row else "",
        firmware=booted,
        firmwares=facts.firmwares,
        hypervisors=tuple(InspectedHypervisor(one.hypervisor, one.boots, one.reason) for one in told),
        root=facts.root,
        disks=tuple(replace(disk, partition_table=tables[at]) for at, disk in enumerate(disks)),
        file_systems=_file_systems(facts),
        volume_groups=facts.groups,
        kernels=tuple(_kernel(kernel, kernel is facts.default_kernel) for kernel in facts.kernels),
        boot_loaders=_boot_loaders(facts),
        network=network.told(facts),
        agents=agents.told(facts),
        encryption=_encryption(facts),
        changes=changes,
    )


def _boot_loaders(facts: GuestFacts) -> tuple[str, ...]:
    esp = facts.windows.esp if facts.windows else None
    windows = (f"Windows Boot Manager ({esp.loader})",) if esp and esp.loader else ()
    return (*windows, *(f"{kind} ({path})" for kind, path in boot.loaders(facts)))


def _verdict(
    facts: GuestFacts, firmware: Firmware
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[InspectedChange, ...]]:
    """Reasons against it, advice, and what injection would do. A fixed address is advice: the spec can drop it."""
    advice: list[str] = []
    steps: Sequence[Step] = ()
    try:
        try:
            steps = table.decide(facts, Options("keep", firmware=firmware)).steps
        except StaticNetwork as fixed:
            advice.append(f"{fixed.sentence} {fixed.hint}")
            steps = table.decide(facts, Options("dhcp", firmware=firmware)).steps
    except BundleUnnamed as unnamed:
        advice.append(f"{unnamed.sentence} {unnamed.hint}")
        if facts.registry:
            advice += [f"{note.path}: {note.why}." for note in windows.notes(facts.registry)]
    except Refused as refusal:
        return (refusal.sentence,), (*advice, refusal.hint), ()
    advice += luks_at_boot.told(facts)
    if firmware != "bios":
        advice.append(f"Set source.firmware: {firmware} in the spec.")
    edits = [record(step) for step in steps]
    return (), tuple(advice), tuple(InspectedChange(edit.path, edit.action, edit.why) for edit in edits)


def _file_systems(facts: GuestFacts) -> tuple[InspectedFileSystem, ...]:
    mounts = {mount.device: mount for mount in facts.mounts}
    return tuple(
        InspectedFileSystem(
            device=fs.device,
            type=fs.type,
            uuid=fs.uuid,
            label=fs.label,
            disk=-1 if fs.disk is None else fs.disk,
            partition=-1 if fs.partition is None else fs.partition,
            mounted_at=mounts[fs.device].point if fs.device in mounts else "",
            bytes_free=mounts[fs.device].free if fs.device in mounts else -1,
        )
        for fs in facts.file_systems
    )


def _encryption(facts: GuestFacts) -> tuple[str, ...]:
    bitlocker = facts.windows.encrypted if facts.windows else ()
    opened = {volume.device: f", opened as {volume.mapping}" for volume in facts.luks if volume.mapping}
    luks = [f"LUKS ({fs.device}{opened.get(fs.device, '')})" for fs in facts.file_systems if fs.type == "crypto_LUKS"]
    return (*luks, *(f"BitLocker ({device})" for device in bitlocker))


def _kernel(kernel: Kernel, default: bool) -> InspectedKernel:
    def place(name: str) -> Place:
        return "builtin" if name in kernel.builtin else "module" if name in kernel.loadable else "absent"

    drivers = tuple(InspectedDriver(name, place(name), name in kernel.packed) for name in DRIVERS)
    return InspectedKernel(kernel.version, kernel.initramfs, drivers, default)
