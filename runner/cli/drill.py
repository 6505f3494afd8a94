"""hotadd drill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.display import watching
from runner.cli.drill_job import open_drill
from runner.cli.job import START_MINUTES
from runner.phases.drill import begin, bring_up, drill, last_verdict
from runner.phases.drill_down import find_traces, take_down
from runner.phases.drill_ground import Ground, read_request
from runner.phases.start import start
from schemas.document import unstructure
from schemas.drill import DrillVerdict
from schemas.errors import FAILED

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_ONE_OF = "--up, --down, --status and --keep exclude each other."


@app.callback()
def _group() -> None:
    """Drills."""


@app.command("drill")
def drill_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    up: Annotated[bool, typer.Option("--up", help="Bring a copy up and start it, without checks; it stays.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Remove every trace of a copy, whatever died before.")] = False,
    status: Annotated[bool, typer.Option("--status", help="What is up, and the last verdict.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the copy up after its checks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Events (with --status: one document) as JSON.")] = False,
    start_minutes: Annotated[float, typer.Option(min=0.1, help="How long a boot may take.")] = START_MINUTES,
) -> None:
    """Boot a copy of the latest finished generation, check it, and remove it. Exit code 0: passed; 1: failed."""
    if up + down + status + keep > 1:
        raise typer.BadParameter(_ONE_OF)
    with watching(as_json) as watcher, open_drill(spec, watcher, start_minutes=start_minutes) as ground:
        if status:
            _show_status(ground, as_json)
        elif down:
            take_down(ground)
        elif up:
            job = bring_up(ground, begin(ground))
            with ground.journal.step("start"):
                start(job)
        else:
            verdict = drill(ground, keep=keep)
            if not as_json:
                _show(verdict)
            raise typer.Exit(0 if verdict.verdict == "passed" else FAILED)


def _show(verdict: DrillVerdict) -> None:
    typer.echo(f"The drill of {verdict.replication}, generation {verdict.generation}: {verdict.verdict}.")
    for check in verdict.checks:
        typer.echo(f"  {'passed' if check.passed else 'FAILED'}  {check.kind} {check.wanted} ({check.seconds:.1f} s)")
        if not check.passed:
            typer.echo(f"          {check.reason}")


def _show_status(ground: Ground, as_json: bool) -> None:
    request, verdict = read_request(ground), last_verdict(ground)
    traces = find_traces(ground.account, ground.spec.name)
    if as_json:
        up = {} if request is None else {"generation": request.generation, "expires": request.expires}
        last = None if verdict is None else unstructure(verdict)
        typer.echo(json.dumps({"up": {**up, "resources": list(traces.ids)}, "last": last}, indent=2))
        return
    if request is None and not traces.ids:
        typer.echo(f"No drill of {ground.spec.name} is up.")
    else:
        what = "of unknown make" if request is None else f"of generation {request.generation}, until {request.expires}"
        typer.echo(f"A drill of {ground.spec.name} is up, {what}: {', '.join(traces.ids) or 'nothing made yet'}.")
    if verdict is not None:
        _show(verdict)
