"""hotadd init."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from runner.aws.account import Account
from runner.starter.reading import read_machine
from runner.starter.text import MARK, starter_text
from schemas.errors import Refused

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class SpecThere(Refused):
    """The file to be written exists."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists.", "Name another file with -o; a spec of yours is never written over.")
        self.path = path


@app.callback()
def _group() -> None:
    """Start specs."""


@app.command("init")
def init_command(
    files: Annotated[list[str], typer.Argument(help="An OVA, OVF or VMX, or the disks of a machine, boot disk first.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it (default: print).")] = None,
    region: Annotated[str, typer.Option(help="AWS region of the request for an s3:// file.")] = "",
) -> None:
    """Write a starter spec; what could not be known is marked, and fails `hotadd validate` until it is filled in."""
    machine = read_machine(files, Account(region or os.environ.get("AWS_REGION") or "us-east-1"))
    text = starter_text(machine, str(output.parent) if output else "")
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise SpecThere(output) from error
    typer.echo(f"{output}: {text.count(MARK)} values to fill in, then `hotadd validate {output}`.")
