"""The copy of a drill: volumes from the integrity snapshots, made bootable as the replica's were, and launched.

The integrity snapshots hold the source's bytes before injection, so the copy passes over the access node, too. Its
phases are the machine's own, on a stack of its own; a drill that dies is not gone on with but taken down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from runner.guest import luks_at_boot
from runner.guest.conversion import check, commit, prepare
from runner.phases.device import check_unheld, find_device
from runner.phases.guests import guest_disks, guest_options
from runner.phases.job import Job
from runner.phases.move import hand_over, launch, move, release, require_phase
from runner.phases.preflight import check_destination, reserve_slots
from runner.phases.records import Placement, placement_file, write_record
from runner.phases.rootswap import swap_root
from runner.phases.shell import check_shell
from schemas.drill import firewall


def check_place(job: Job) -> None:
    """Check account, access node, shell and subnet for the copy, and give out its slots."""
    job.account.check_credentials()
    check_destination(job)
    root_device = check_shell(job.account, job.spec)
    write_record(placement_file(job.home.work), Placement(reserve_slots(job, None), root_device))


def stage_copies(job: Job) -> None:
    """Make the volumes from the snapshots, and the security group, and attach the volumes to the access node."""
    move(job, "staging", launched=False, also=firewall(job.spec.drill.checks))


def inject_copies(job: Job) -> None:
    """Make the guest on the copies bootable: in overlays, then committed. Nothing of it is recorded."""
    outputs = require_phase(job, "drill", "staging")
    devices: dict[str, Path] = {
        disk: find_device(volume, outputs.access_node_id, job.stop) for disk, volume in outputs.volumes.items()
    }
    options = replace(guest_options(job.spec), hypervisor=check_destination(job).hypervisor)
    made = prepare(guest_disks(job.spec, devices), options, job.generation_directory)
    check(made.facts, options)
    for waits in luks_at_boot.told(made.facts):
        job.journal.tell("drill inject", waits)
    commit(made.disks, devices)
    for device in devices.values():
        check_unheld(device)
    for disk in made.disks:
        disk.overlay.unlink(missing_ok=True)


COPY: tuple[tuple[str, Callable[[Job], None]], ...] = (
    ("drill preflight", check_place),
    ("drill staging", stage_copies),
    ("drill inject", inject_copies),
    ("drill detached", release),
    ("drill launched", launch),
    ("drill root swap", swap_root),
    ("drill target", hand_over),
)
