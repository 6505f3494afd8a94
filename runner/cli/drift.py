"""hotadd drift."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.job import open_look
from runner.drift.look import Wanted, look
from runner.drift.told import as_markdown, as_text
from schemas.document import write_document
from schemas.errors import DIFFERENT
from schemas.event import Event

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Only(StrEnum):
    """One of the two questions."""

    infrastructure = "infrastructure"
    data = "data"


@app.callback()
def _group() -> None:
    """Is the replica still what was declared, and what was replicated?"""


@app.command("drift")
def drift_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    only: Annotated[Only | None, typer.Option("--only", help="One of the two questions alone.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Compare every block, not only those written since.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Name the files they belong to; on the access node.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, for a ticket or a comment.")] = False,
) -> None:
    """Say how the replica differs from what was declared and replicated. Changes nothing. Exit code 2 if it does."""
    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown exclude each other")
    wanted = Wanted(only != Only.data, only != Only.infrastructure, whole, files)
    with open_look(spec, say, "drift") as job:
        drift = look(job, wanted)
    text = write_document(drift, "drift") if as_json else as_markdown(drift) if markdown else as_text(drift)
    typer.echo(text, nl=False)
    raise typer.Exit(DIFFERENT if drift.differs else 0)


def say(event: Event) -> None:
    """What happens goes to standard error: standard output is the answer's."""
    if event.message:
        typer.echo(f"{event.time[11:19]} {event.step}: {event.message}", err=True)
