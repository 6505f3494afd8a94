"""A plan as markdown, short enough for one comment on a pull request, however many machines. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from runner.plan.wording import apply_in_words, cost_in_words, dangers, minutes_in_words, size_in_words, summary, total
from schemas.plan import MachinePlan, PlanDocument

# GitHub refuses a comment of 65,536 characters ("Body is too long (maximum is 65536 characters)"); GitLab takes a
# million. Some room is left for what a pipeline writes around it.
MOST = 65_000
_WARNINGS_MOST = 50


def markdown_of(document: PlanDocument) -> str:
    """The whole plan in at most `MOST` characters: as much detail as fits, dangers and totals always."""
    levels: Sequence[Callable[[MachinePlan], Iterator[str]]] = (_all, _applies, _nothing)
    for detail in levels:
        text = "\n".join(_lines(document, detail, len(document.machines))) + "\n"
        if len(text) <= MOST:
            return text
    rows = len(document.machines)
    while len(text) > MOST:
        rows = rows * 3 // 4
        text = "\n".join(_lines(document, _nothing, rows)) + "\n"
    return text


def _lines(document: PlanDocument, detail: Callable[[MachinePlan], Iterator[str]], rows: int) -> Iterator[str]:
    machines = document.machines
    yield f"## hotadd plan: {summary(machines)}"
    yield ""
    yield from _dangers(document)
    yield "| machine | plan | generation | writes | snapshots | minutes |"
    yield "|---|---|---|---|---|---|"
    for plan in machines[:rows]:
        yield _row(plan)
    if rows < len(machines):
        yield ""
        yield f"And {len(machines) - rows} machines more: the JSON has them all."
    for plan in machines:
        yield from detail(plan)
    yield ""
    yield f"Made by hotadd {document.hotadd} at {document.created}. *Predicted* is reckoned from"
    yield "the synthesized stacks and the state; before each apply Terraform plans again, and whatever differs from a"
    yield "saved plan is refused."


def _dangers(document: PlanDocument) -> Iterator[str]:
    found = [f"- **{warned.danger}** `{name}`: {warned.sentence}" for name, warned in dangers(document)]
    found += [f"- **refused** `{p.replication}`: {sentence}" for p in document.machines for sentence in p.refusals]
    if not found:
        return
    yield "> [!CAUTION]"
    yield from (f"> {line[:500]}" for line in found[:_WARNINGS_MOST])
    if len(found) > _WARNINGS_MOST:
        yield f"> - and {len(found) - _WARNINGS_MOST} more"
    yield ""


def _row(plan: MachinePlan) -> str:
    cost = total(plan)
    most = "up to " if cost.at_most and cost.bytes_written else ""
    generation = str(plan.generation or "")
    mark = " (refused)" if plan.refusals else ""
    writes = f"{most}{size_in_words(cost.bytes_written)}" if cost.bytes_written else ""
    minutes = minutes_in_words(cost.minutes) if cost.minutes else ""
    return f"| {plan.replication} | {plan.kind}{mark} | {generation} | {writes} | {cost.snapshots or ''} | {minutes} |"


def _all(plan: MachinePlan) -> Iterator[str]:
    yield ""
    yield f"<details><summary><b>{plan.replication}</b>: {plan.sentence}</summary>"
    yield ""
    yield from (f"Note: {note}\n" for note in plan.notes)
    for number, step in enumerate(plan.steps, 1):
        said = [apply_in_words(step.apply)] if step.apply is not None else []
        said += [cost] if (cost := cost_in_words(step.cost)) else []
        yield f"{number}. **{step.name}**: {step.sentence}" + (f" *{'; '.join(said)}*" if said else "")
        for action in step.apply.actions if step.apply is not None else ():
            yield f"   - {action.verb} `{action.address}`" + (f" ({action.detail})" if action.detail else "")
    yield ""
    yield "</details>"


def _applies(plan: MachinePlan) -> Iterator[str]:
    yield ""
    yield f"<details><summary><b>{plan.replication}</b>: {plan.sentence}</summary>"
    yield ""
    for step in plan.steps:
        if step.apply is not None and step.apply.actions:
            yield f"- **{step.name}**: {apply_in_words(step.apply)}"
    yield ""
    yield "</details>"


def _nothing(_: MachinePlan) -> Iterator[str]:
    return iter(())
