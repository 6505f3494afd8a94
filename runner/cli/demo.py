"""hotadd demo: the whole job on real parts, on one machine, without an AWS account."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from runner.aws.instances import console
from runner.aws.waiting import wait_for
from runner.cli.display import step_table, watching
from runner.cli.job import open_job
from runner.journal import read_events
from runner.lab import account as lab
from runner.lab.guest.sample import SampleDisk, SampleGuest, build
from runner.lab.provider import cache_directory
from runner.lab.record import LabInfo
from runner.phases.job import Job
from runner.phases.move import plan_again
from runner.phases.proof import prove_snapshots
from runner.workflow.replication import replicate
from runner.workflow.sequence import FULL
from schemas.errors import HotaddError

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_CONSOLE_SECONDS = 600.0  # an emulated guest on a busy machine

_SPEC = """\
version: 1
name: {name}
region: {region}
availability_zone: {zone}
source:
  disks:
{disks}
network: dhcp
access_node:
  instance_id: {node}
destination:
  instance_type: m5.large
  shell_ami: {ami}
  subnet_id: {subnet}
  security_group_ids: [{group}]
backend:
  local: {{path: state}}
"""


class DemoFailed(HotaddError):
    """The demo did not end as it must."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"The demo failed: {fault}.", "`hotadd lab console INSTANCE` shows the guest's console.")
        self.fault = fault


@app.callback()
def _group() -> None:
    """See it work."""


@app.command("demo")
def demo_command(
    directory: Annotated[Path | None, typer.Option("--dir", help="Where the lab keeps its files.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab and the replica running.")] = False,
) -> None:
    """Lab up, a Debian guest as VMware leaves one, and its full replication: ends with a booted replica."""
    place = directory if directory is not None else lab.default_directory()
    lab.down(place)
    # An earlier demo's state names volumes that went with its lab.
    shutil.rmtree(place / "state", ignore_errors=True)
    info = lab.up(place)
    typer.echo(f"An EC2 account in a box is up at {info.endpoint}.")
    try:
        os.environ.update(lab.environment(place))
        guest = build(place / "guest", cache=cache_directory(), log=typer.echo)
        spec = place / "web01.yaml"
        spec.write_text(lab_spec(info, guest.disks, "web01"), encoding="utf-8")
        typer.echo(f"The spec is {spec}. Replicating:")
        with watching(False) as watcher, open_job(spec, watcher) as job:
            replicate(job)
            _conclude(job, guest)
    finally:
        if not keep:
            lab.down(place)


def lab_spec(info: LabInfo, disks: Sequence[SampleDisk], name: str) -> str:
    """A spec that replicates a guest inside the lab; its first disk boots."""
    lines = "\n".join(
        f"    - {{id: {d.id}, path: {d.path}, size_gib: {-(-d.size_bytes // (1 << 30))}"
        + (", boot: true}" if d is disks[0] else "}")
        for d in disks
    )
    return _SPEC.format(
        name=name,
        region=info.region,
        zone=info.availability_zone,
        disks=lines,
        node=info.access_node_id,
        ami=info.amis["linux"],
        subnet=info.subnet_id,
        group=info.security_group_id,
    )


def _conclude(job: Job, guest: SampleGuest) -> None:
    """Show the evidence: console, snapshots against source, the plan after it, the steps."""
    manifest = job.manifests.latest()
    if manifest is None or manifest.status != "finished":
        raise DemoFailed("there is no finished manifest")
    needed = ("/dev/nvme0n1p1", guest.data_mount, "(dhcp)", f"{guest.hostname} login:")

    def look() -> tuple[list[str] | None, str]:
        shown = console(job.account, manifest.instance_id)
        lacks = [word for word in needed if word not in shown]
        lines = [line.strip() for line in shown.splitlines() if line.strip()]
        return (lines if not lacks else None), f"without {', '.join(lacks)}"

    # Status checks pass when the guest is on the network; its login prompt comes a little later.
    lines = wait_for(look, f"the console of {manifest.instance_id}", seconds=_CONSOLE_SECONDS, stop=job.stop)
    typer.echo(f"\nThe console of {manifest.instance_id}, booted from the replicated volumes:")
    for line in lines[-6:]:
        typer.echo(f"  | {line}")
    proven = prove_snapshots(job, manifest)
    typer.echo(f"\nIntegrity snapshots equal the source byte for byte: {proven:,} bytes compared.")
    if not plan_again(job).empty:
        raise DemoFailed("the plan after the replication is not empty")
    typer.echo("The plan after it is empty: no changes.\n")
    names = {step.name for step in FULL}
    step_table([event for event in read_events(job.home.events) if event.step in names])
