"""hotadd validate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.loading import load_specs

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Check specs."""


@app.command("validate")
def validate_command(specs: Annotated[list[Path], typer.Argument(help="Replication specs (YAML or JSON).")]) -> None:
    """Check specs: every fault at once, each with file, line, path, a sentence and a hint."""
    for spec in load_specs(specs):
        typer.echo(f"{spec.name}: valid ({len(spec.source.disks)} disks, {spec.source.os}, {spec.source.firmware}).")
