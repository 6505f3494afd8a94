"""How events are shown: bars on a terminal, one line a step in a log, JSON lines for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from runner.journal import Watcher
from schemas.document import write_document
from schemas.event import Event


@contextmanager
def watching(as_json: bool) -> Iterator[Watcher]:
    """A watcher for this standard output, and its clean end."""
    if as_json:
        yield lambda event: typer.echo(write_document(event, "event", one_line=True), nl=False)
    elif sys.stdout.isatty():
        with _bars() as watcher:
            yield watcher
    else:
        yield _line


def _line(event: Event) -> None:
    """One line a step, as a CI log wants it; progress only when a disk is complete."""
    shown = _sentence(event)
    if shown:
        typer.echo(f"{event.time[11:19]} {shown}")
        sys.stdout.flush()


def _sentence(event: Event) -> str:
    match event.status:
        case "finished":
            return f"{event.step}: done in {event.seconds or 0:.1f} s"
        case "failed":
            return f"{event.step}: FAILED after {event.seconds or 0:.1f} s: {event.message}"
        case "note":
            return f"{event.step}: {event.message}"
        case "progress" if event.bytes_done == event.bytes_total:
            return f"{event.step}: {event.disk} {event.bytes_total or 0:,} bytes, {event.message}"
        case _:
            return ""


@contextmanager
def _bars() -> Iterator[Watcher]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(event: Event) -> None:
            if event.status == "progress" and event.disk is not None:
                key = f"{event.step} {event.disk}"
                if key not in tasks:
                    tasks[key] = progress.add_task(key, total=event.bytes_total)
                progress.update(tasks[key], completed=event.bytes_done, total=event.bytes_total)
                return
            if event.status == "started":
                tasks[event.step] = progress.add_task(event.step, total=None)
                return
            if event.status in ("finished", "failed"):
                for key in [k for k in tasks if k.startswith(event.step)]:
                    progress.remove_task(tasks.pop(key))
            shown = _sentence(event)
            if shown:
                progress.console.print(shown, markup=False, highlight=False)

        yield watch


def step_table(events: Sequence[Event]) -> None:
    """A table of the steps that finished, with their times in seconds (the sum over tries)."""
    seconds: dict[str, float] = {}
    for event in events:
        if event.status in ("finished", "failed"):
            seconds[event.step] = seconds.get(event.step, 0.0) + (event.seconds or 0.0)
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for step, taken in seconds.items():
        table.add_row(step, f"{taken:.1f}")
    table.add_section()
    table.add_row("total", f"{sum(seconds.values()):.1f}")
    Console().print(table)
