"""One phase at a time, for pipelines that drive cdktf themselves (docs/cdktf.md shows the whole sequence)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import watching
from runner.cli.job import START_MINUTES, generation_to_make, open_job
from runner.phases.finish import finish
from runner.phases.inject import inject
from runner.phases.job import Job
from runner.phases.preflight import preflight
from runner.phases.restore import restore
from runner.phases.rootswap import swap_root
from runner.phases.snapshot import complete_snapshots
from runner.phases.start import start

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SpecFile = Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")]
AsJson = Annotated[bool, typer.Option("--json", help="Events as JSON lines.")]


def _run(spec: Path, as_json: bool, step: str, act: Callable[[Job], None], minutes: float = START_MINUTES) -> None:
    with watching(as_json) as watcher, open_job(spec, watcher, start_minutes=minutes) as job:
        generation_to_make(job.home, job.manifests.latest())
        with job.journal.step(step):
            act(job)


@app.command("preflight")
def preflight_command(spec: SpecFile, as_json: AsJson = False) -> None:
    """Check source, account, access node, shell and guest, and give out slots. Creates nothing in AWS."""
    _run(spec, as_json, "preflight", preflight)


@app.command("restore")
def restore_command(spec: SpecFile, as_json: AsJson = False) -> None:
    """Copy every disk of the source onto its volume (phase staging)."""
    _run(spec, as_json, "restore", restore)


@app.command("snapshot")
def snapshot_command(spec: SpecFile, as_json: AsJson = False) -> None:
    """Take the integrity snapshots and wait until they are complete (phase staging)."""
    _run(spec, as_json, "snapshot", complete_snapshots)


@app.command("inject")
def inject_command(spec: SpecFile, as_json: AsJson = False) -> None:
    """Make the guest on the volumes bootable, recorded in the manifest (phase staging, snapshots complete)."""
    _run(spec, as_json, "inject", inject)


@app.command("swap-root")
def swap_root_command(spec: SpecFile, as_json: AsJson = False) -> None:
    """Stop the destination and remove the shell's own root volume (phase detached, launched)."""
    _run(spec, as_json, "root swap", swap_root)


@app.command("start")
def start_command(
    spec: SpecFile,
    as_json: AsJson = False,
    start_minutes: Annotated[float, typer.Option(min=0.1, help="How long a boot may take.")] = START_MINUTES,
) -> None:
    """Start the destination, wait for both status checks, and finish the manifest (phase target)."""

    def act(job: Job) -> None:
        start(job)
        finish(job)

    _run(spec, as_json, "start", act, start_minutes)
