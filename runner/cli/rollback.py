"""hotadd rollback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import watching
from runner.cli.job import START_MINUTES, open_job
from runner.cli.replicate import tell_end
from runner.journal import read_events
from runner.workflow.due import has_ended, rollback_due
from runner.workflow.replication import replicate

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Go back."""


@app.command("rollback")
def rollback_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    generation: Annotated[int, typer.Option("--generation", min=1, help="The generation to go back to.")],
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    start_minutes: Annotated[float, typer.Option(min=0.1, help="How long a boot may take.")] = START_MINUTES,
    may_stop: Annotated[bool, typer.Option("--stop", help="Stop a destination that the spec protects.")] = False,
    break_lock: Annotated[bool, typer.Option("--break-lock", help="Take the lock in S3 from its holder.")] = False,
) -> None:
    """Bring the volumes back to what an older generation's source was, as a new generation.

    The same volumes stay: what differs from that generation's integrity snapshot is read from it and written. The
    source is not needed. After a kill or an error, the same command goes on.
    """
    with (
        watching(as_json) as watcher,
        open_job(spec, watcher, start_minutes=start_minutes, break_lock=break_lock) as job,
    ):
        run = rollback_due(job, generation)
        ended = has_ended(job, run)
        replicate(replace(job.of(run), may_stop=may_stop))
        events = read_events(job.home.events)
    if not as_json:
        tell_end(job.spec.name, run, ended, events)
