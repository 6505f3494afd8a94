"""hotadd replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import step_table, watching
from runner.cli.job import START_MINUTES, open_job
from runner.home import home_of
from runner.journal import read_events
from runner.manifests import Manifests
from runner.phases.run import Run
from runner.plan.holding import hold
from runner.workflow.due import Mode, has_ended, replication_due
from runner.workflow.replication import SEQUENCES, replicate
from schemas.event import Event
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
    mode: Annotated[Mode, typer.Option(help="auto: full the first time, incremental afterwards.")] = "auto",
    repair: Annotated[
        bool, typer.Option("--repair", help="Believe no reference: compare whole volumes with the source.")
    ] = False,
    may_stop: Annotated[bool, typer.Option("--stop", help="Stop a destination that the spec protects.")] = False,
    break_lock: Annotated[bool, typer.Option("--break-lock", help="Take the lock in S3 from its holder.")] = False,
) -> None:
    """Bring a machine's replica up to date: in full the first time, then only what changed.

    After a kill or an error, the same command goes on from the step it got to.
    """
    if plan is not None and repair:
        raise typer.BadParameter("--plan and --repair exclude each other: no plan is made of a repair")
    if dry_run:
        _tell_steps(spec, mode)
        return
    with (
        watching(as_json) as watcher,
        open_job(spec, watcher, start_minutes=start_minutes, break_lock=break_lock) as job,
    ):
        job = job if plan is None else hold(job, plan)
        run = replication_due(job, mode, repair=repair)
        ended = has_ended(job, run)
        job = replace(job.of(run), may_stop=may_stop)
        replicate(job)
        events = read_events(job.home.events)
    if not as_json:
        tell_end(job.spec.name, run, ended, events)


def tell_end(name: str, run: Run, ended: bool, events: Sequence[Event]) -> None:
    """The steps of a run, with their times; or that it had come to its end before."""
    if ended:
        typer.echo(f"{name}: generation {run.generation} was complete already; only the note of that was missing.")
        return
    began = [n for n, e in enumerate(events) if (e.step, e.status) == ("preflight", "started")]
    names = {step.name for step in SEQUENCES[run.sequence]}
    step_table([e for e in events[began[-1] if began else 0 :] if e.step in names])


def _tell_steps(spec: Path, mode: Mode) -> None:
    loaded = load_spec(spec)
    replicated = bool(Manifests(home_of(loaded).manifests).generations())
    kind = "incremental" if mode == "incremental" or (mode == "auto" and replicated) else "full"
    disks = ", ".join(f"{d.id} ({d.size_gib} GiB)" for d in loaded.source.disks)
    article = "an" if kind == "incremental" else "a"
    typer.echo(f"{loaded.name}: {article} {kind} replication of {disks} into {loaded.availability_zone}.")
    for number, step in enumerate(SEQUENCES[kind], 1):
        typer.echo(f"{number:2}. {step.name:<20} {step.sentence}")
    if mode == "auto" and not replicated and loaded.backend.s3 is not None:
        typer.echo("Nothing was called, not even S3: if there are manifests there, it is an incremental.")
        return
    typer.echo("Nothing was called.")
