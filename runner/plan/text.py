"""A plan as text, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.wording import MARKS, apply_in_words, cost_in_words, dangers, summary, total
from schemas.plan import MachinePlan, PlanDocument, PlannedStep


def text_of(document: PlanDocument) -> str:
    """The whole plan; dangers of all machines first."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: PlanDocument) -> Iterator[str]:
    for name, warned in dangers(document):
        yield f"{warned.danger.upper()} {name}: {warned.sentence}"
    for plan in document.machines:
        yield from (f"REFUSED {plan.replication}: {sentence}" for sentence in plan.refusals)
    for plan in document.machines:
        yield ""
        yield from _machine(plan)
    yield ""
    yield summary(document.machines) + ". Nothing was changed."


def _machine(plan: MachinePlan) -> Iterator[str]:
    yield f"{plan.replication}: {plan.sentence}"
    for number, step in enumerate(plan.steps, 1):
        yield from _step(number, step)
    cost = cost_in_words(total(plan))
    if cost:
        yield f"  In all: {cost}."
    yield from (f"  Note: {note}" for note in plan.notes)


def _step(number: int, step: PlannedStep) -> Iterator[str]:
    said = [apply_in_words(step.apply)] if step.apply is not None else []
    said += [cost] if (cost := cost_in_words(step.cost)) else []
    yield f"  {number:2}. {step.name:<20} {step.sentence}" + (f" [{'; '.join(said)}]" if said else "")
    for action in step.apply.actions if step.apply is not None else ():
        yield f"      {MARKS[action.verb]} {action.verb:<8}{action.address}" + (
            f"  ({action.detail})" if action.detail else ""
        )
