"""hotadd restore-vm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import watching
from runner.cli.job import START_MINUTES, open_job
from runner.cli.replicate import tell_end
from runner.journal import read_events
from runner.phases.forget import forget_reference
from runner.workflow.due import has_ended, restore_due
from runner.workflow.replication import replicate

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Restore machines once."""


@app.command("restore-vm")
def restore_vm_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    start_minutes: Annotated[float, typer.Option(min=0.1, help="How long a boot may take.")] = START_MINUTES,
    break_lock: Annotated[bool, typer.Option("--break-lock", help="Take the lock in S3 from its holder.")] = False,
) -> None:
    """Restore a machine once, without replication: in full, and at the end no snapshot is kept.

    After a kill or an error, the same command goes on from the step it got to.
    """
    with (
        watching(as_json) as watcher,
        open_job(spec, watcher, start_minutes=start_minutes, break_lock=break_lock) as job,
    ):
        run = restore_due(job)
        job, ended = job.of(run), has_ended(job, run)
        if ended:  # a run that died before, or in, its last step
            with job.journal.step("forget"):
                forget_reference(job)
        replicate(job)
        events = read_events(job.home.events)
    if not as_json:
        tell_end(job.spec.name, run, ended, events)
