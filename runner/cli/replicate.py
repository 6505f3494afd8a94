"""hotadd replicate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import step_table, watching
from runner.cli.job import START_MINUTES, generation_to_make, open_job
from runner.journal import read_events
from runner.plan.holding import hold
from runner.workflow.replication import replicate
from runner.workflow.sequence import FULL
from schemas.loading import load_spec

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Replicate machines."""


@app.command("replicate")
def replicate_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps and call nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    start_minutes: Annotated[float, typer.Option(min=0.1, help="How long a boot may take.")] = START_MINUTES,
    plan: Annotated[Path | None, typer.Option("--plan", help="Do only what this saved plan says.")] = None,
) -> None:
    """Replicate a machine in full. After a kill or an error, the same command goes on from the step it got to."""
    if dry_run:
        loaded = load_spec(spec)
        disks = ", ".join(f"{d.id} ({d.size_gib} GiB)" for d in loaded.source.disks)
        typer.echo(f"{loaded.name}: a full replication of {disks} into {loaded.availability_zone}.")
        for number, step in enumerate(FULL, 1):
            typer.echo(f"{number:2}. {step.name:<20} {step.sentence}")
        typer.echo("Nothing was called.")
        return
    with watching(as_json) as watcher, open_job(spec, watcher, start_minutes=start_minutes) as job:
        generation_to_make(job.home, job.manifests.latest())
        replicate(job if plan is None else hold(job, plan))
        events = read_events(job.home.events)
    if not as_json:
        step_table([e for e in events if e.step in {s.name for s in FULL}])
