"""hotadd plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.job import manifests_of
from runner.home import home_of
from runner.plan.machine import Mode
from runner.plan.making import Subject, make_plans
from runner.plan.markdown import markdown_of
from runner.plan.text import text_of
from schemas.document import write_document
from schemas.errors import DIFFERENT, DONE, REFUSED
from schemas.loading import load_specs
from schemas.plan import PlanDocument

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Plans for review."""


@app.command("plan")
def plan_command(
    specs: Annotated[list[Path], typer.Argument(help="Replication specs (YAML or JSON).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document (schemas/plan.schema.json).")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown for a pull request's comment.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Save the plan for `replicate --plan`.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask EC2 and Terraform, too.")] = False,
    mode: Annotated[Mode, typer.Option(help="What to plan: whatever is due, or the incremental in any case.")] = "auto",
) -> None:
    """What each phase would do, before the first apply. Exit code 0: nothing, 2: changes, 3: it would be refused."""
    if as_json and as_markdown:
        raise typer.BadParameter("--json and --markdown: take one of them.")
    subjects = []
    for file, spec in zip(specs, load_specs(specs), strict=True):
        home = home_of(spec)
        subjects.append(Subject(file.resolve(), spec, home, manifests_of(spec, home)))
    document = make_plans(subjects, mode, refresh=refresh, tell=lambda said: typer.echo(said, err=True))
    if out is not None:
        out.write_text(write_document(document, "plan"), encoding="utf-8")
    if as_json:
        typer.echo(write_document(document, "plan"), nl=False)
    else:
        typer.echo(markdown_of(document) if as_markdown else text_of(document), nl=False)
    raise typer.Exit(_code(document))


def _code(document: PlanDocument) -> int:
    if any(plan.refusals for plan in document.machines):
        return REFUSED
    return DIFFERENT if any(plan.changes for plan in document.machines) else DONE
