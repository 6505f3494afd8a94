"""hotadd status: from the home alone; it launches no workflow and calls no AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runner.home import Home, home_of
from runner.journal import read_events
from runner.manifests import Manifests
from runner.phases.run import Run
from runner.phases.underway import run_under_way
from runner.report.standing import standing as told
from schemas.event import Event
from schemas.loading import load_specs
from schemas.manifest import Manifest

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Where replications stand."""


@app.command("status")
def status_command(
    specs: Annotated[list[Path], typer.Argument(help="Replication specs (YAML or JSON).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Where each replication stands: what runs, the last step, what failed and what to do."""
    found = [standing(home_of(spec)) for spec in load_specs(specs)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for one in found:
        typer.echo(f"{one['name']}: {one['state']}")
        for key in ("generation", "instance", "step", "since", "error", "next"):
            if one[key]:
                typer.echo(f"  {key}: {one[key]}")


def standing(home: Home) -> dict[str, str]:
    """One replication's standing, in words."""
    manifest = Manifests(home.manifests).latest()
    last = next((e for e in reversed(read_events(home.events)) if e.status in ("started", "finished", "failed")), None)
    holder = home.holder()
    run = run_under_way(home, manifest)
    state, following = _state(manifest, last, run, holder)
    return {
        "name": home.name,
        "state": state,
        "generation": f"{manifest.generation} ({manifest.status})" if manifest is not None else "",
        "instance": manifest.instance_id if manifest is not None else "",
        "step": f"{last.step} ({last.status})" if last is not None else "",
        "since": last.time if last is not None else "",
        "error": last.message or "" if last is not None and last.status == "failed" else "",
        "next": following,
    }


def _state(manifest: Manifest | None, last: Event | None, run: Run | None, holder: str) -> tuple[str, str]:
    """In the report's words, and what to do."""
    if holder:
        return f"running: {holder}", ""
    restored = manifest is not None and manifest.status == "pruned" and run is None
    if restored and last is not None and (last.step, last.status) == ("forget", "finished"):
        return "restored once, without replication", ""
    # A single command that failed before it left anything (a deploy, say) is the whole of what there is to tell.
    begun = Run("full", 1) if manifest is None and last is not None and run is None else run
    state, well = told(manifest, last, begun, holder)
    if state == "not replicated yet":
        return state, "hotadd replicate"
    if state.startswith("failed"):
        return state, "mend the cause, then the same command goes on from this step"
    return state, "" if well else "the same command goes on from there"
