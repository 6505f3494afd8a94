"""How long the steps of the last run took, from the journal's events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.report.machine import StepTime
from schemas.document import DocumentDamaged, read_document
from schemas.event import Event

# A run begins with it; what a kill or a failure ended goes on without it and belongs to the same run.
_FIRST = "preflight"
# Progress makes up nearly all of a journal, and every line that is read is checked against its schema.
_TELLING = re.compile(rb'"status": ?"(started|finished|failed)"')


@dataclass(frozen=True)
class LastRun:
    """The steps in the order they began, when the run began, and the last event of all."""

    since: str
    steps: tuple[StepTime, ...]
    last: Event | None


def last_run(file: Path) -> LastRun:
    """The last run of a journal; without steps where there is no journal. Reads line by line."""
    since, last = "", None
    steps: dict[str, StepTime] = {}
    for event in _telling_events(file):
        last = event
        if event.step == _FIRST and event.status == "started" and not _goes_on(steps):
            steps, since = {}, event.time
        since = since or event.time
        known = steps.get(event.step, StepTime(event.step, 0.0, 0, "running", ""))
        seconds = known.seconds + (event.seconds or 0.0)
        match event.status:
            case "started":
                steps[event.step] = StepTime(event.step, seconds, known.tries + 1, "running", "")
            case "finished":
                steps[event.step] = StepTime(event.step, seconds, known.tries, "finished", "")
            case "failed":
                steps[event.step] = StepTime(event.step, seconds, known.tries, "failed", event.message or "")
    return LastRun(since, tuple(steps.values()), last)


def _goes_on(steps: dict[str, StepTime]) -> bool:
    """Whether a preflight that begins is a try of the same run: the one before did not get past it."""
    return set(steps) == {_FIRST} and steps[_FIRST].outcome != "finished"


def _telling_events(file: Path) -> Iterator[Event]:
    if not file.exists():
        return
    with file.open("rb") as lines:
        for line in lines:
            if _TELLING.search(line):
                with suppress(DocumentDamaged):
                    yield read_document(line, "event", Event, str(file))
