"""hotadd decommission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import watching
from runner.cli.job import open_job
from runner.phases.decommission import plan_removal, remove
from schemas.errors import DIFFERENT

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Remove replicas."""


@app.command("decommission")
def decommission_command(
    spec: Annotated[Path, typer.Argument(help="A spec with `decommission: true`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove what the plan shows.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
) -> None:
    """Show what a removal would remove (exit code 2); with --yes, remove it."""
    with watching(as_json) as watcher, open_job(spec, watcher) as job:
        removal = plan_removal(job)
        for place in removal.addresses:
            typer.echo(f"- {place}", err=as_json)
        for snapshot in removal.snapshots:
            typer.echo(f"- snapshot {snapshot}", err=as_json)
        if not yes:
            typer.echo("Nothing was removed. With --yes, all of this is.", err=as_json)
            raise typer.Exit(DIFFERENT if removal.addresses or removal.snapshots else 0)
        remove(job, removal)
