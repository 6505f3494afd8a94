"""hotadd doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from runner.doctor import examine
from schemas.errors import FAILED

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Examine this machine."""


@app.command("doctor")
def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What this machine lacks, and the command that installs it. Exit code 1 when something needed is missing."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = "ok  " if finding.well else ("LACK" if finding.needed else "note")
            typer.echo(f"{mark} {finding.what}: {finding.found}" + ("" if finding.well else f"  ->  {finding.remedy}"))
    if any(finding.needed and not finding.well for finding in findings):
        raise typer.Exit(FAILED)
