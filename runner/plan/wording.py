"""Words that the text and the markdown of a plan share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from schemas.plan import Cost, MachinePlan, PlanDocument, PlannedApply, Verb, Warned

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# A reviewer looks for what cannot be undone first.
_DANGERS = ("destroy", "replace", "stop")
MARKS: dict[Verb, str] = {
    "create": "+",
    "launch": "+",
    "attach": ">",
    "detach": "<",
    "update": "~",
    "replace": "!",
    "destroy": "-",
}


def size_in_words(size: int) -> str:
    """Bytes with a unit, three figures."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_UNITS[unit]}"


def minutes_in_words(minutes: float) -> str:
    """A rough time."""
    if minutes >= 90:
        return f"about {minutes / 60:.1f} h"
    return f"about {minutes:.0f} min" if minutes >= 1 else "under a minute"


def cost_in_words(cost: Cost) -> str:
    """A step's cost; empty for none."""
    most = "at most " if cost.at_most else ""
    parts = [
        f"reads {most}{size_in_words(cost.bytes_read)}" if cost.bytes_read else "",
        f"writes {most}{size_in_words(cost.bytes_written)}" if cost.bytes_written else "",
        f"{cost.snapshots} snapshot{'s' if cost.snapshots > 1 else ''}" if cost.snapshots else "",
        minutes_in_words(cost.minutes) if cost.minutes else "",
        "as the last run took" if cost.minutes_from == "earlier run" else "",
    ]
    return ", ".join(part for part in parts if part)


def total(plan: MachinePlan) -> Cost:
    """The costs of all steps together."""
    costs = [step.cost for step in plan.steps]
    return Cost(
        bytes_read=sum(c.bytes_read for c in costs),
        bytes_written=sum(c.bytes_written for c in costs),
        at_most=any(c.at_most for c in costs),
        snapshots=sum(c.snapshots for c in costs),
        minutes=sum(c.minutes for c in costs),
        minutes_from="rates",
    )


def apply_in_words(apply: PlannedApply) -> str:
    """What an apply does, counted by verb, and whether that is known or predicted."""
    counted = Counter(action.verb for action in apply.actions)
    what = ", ".join(f"{number} to {verb}" for verb, number in counted.items()) or "no changes"
    return f"{what} ({apply.basis})"


def dangers(document: PlanDocument) -> Iterator[tuple[str, Warned]]:
    """Every warning with its machine's name: destroys first, then replacements, then stops."""
    found = [(plan.replication, warned) for plan in document.machines for warned in plan.warnings]
    yield from sorted(found, key=lambda one: _DANGERS.index(one[1].danger))


def summary(plans: Sequence[MachinePlan]) -> str:
    """How many machines, and what is due for how many."""
    counted = Counter(plan.kind for plan in plans)
    refused = sum(bool(plan.refusals) for plan in plans)
    parts = [f"{number} {kind}" for kind, number in sorted(counted.items())]
    machines = "1 machine" if len(plans) == 1 else f"{len(plans)} machines"
    return f"{machines}: {', '.join(parts)}" + (f"; {refused} would be refused" if refused else "")
