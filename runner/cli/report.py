"""hotadd report: all that is known of any number of machines, on one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from runner.atomic import write_atomically
from runner.cli.job import manifests_of
from runner.home import home_of
from runner.journal import timestamp
from runner.report import quantities
from runner.report.gather import gather
from runner.report.machine import Machine
from runner.report.page import cells_for, page
from schemas.errors import IntegrityViolated
from schemas.loading import load_specs
from schemas.spec import Spec

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class NotAllReadable(IntegrityViolated):
    """Some of what the page should tell could not be read; the page says what."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(
            f"The page is not complete: {faults[0]}" + (f" And {len(faults) - 1} more." if len(faults) > 1 else ""),
            "The page names each; restore what is damaged from a backup.",
        )
        self.faults = faults


@app.callback()
def _group() -> None:
    """What is known of each machine."""


@app.command("report")
def report_command(
    specs: Annotated[list[Path], typer.Argument(help="Replication specs (YAML or JSON).")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the page goes; - is the standard output.")
    ] = Path("hotadd-report.html"),
) -> None:
    """Write one HTML page: phases, generations, a block map a disk, durations, the last drift and drill.

    It calls neither Terraform nor EC2, and takes no lock; with an S3 backend it reads state and manifests there.
    """
    loaded = load_specs(specs)
    faults: list[str] = []
    text = page(_machines(loaded, faults), made=timestamp(), opened=len(loaded))
    if output == Path("-"):
        typer.echo(text.encode(), nl=False)
    else:
        write_atomically(output, text)
        typer.echo(f"{output}: {quantities.count(len(loaded), 'machine')}, {quantities.size(len(text.encode()))}.")
    if faults:
        raise NotAllReadable(tuple(faults))


def _machines(specs: list[Spec], faults: list[str]) -> Iterator[Machine]:
    """One after the other: the digests of a large disk are read for it alone."""
    cells = cells_for(sum(len(spec.source.disks) for spec in specs))
    for spec in specs:
        home = home_of(spec)
        machine = gather(spec, home, manifests_of(spec, home), cells=cells)
        faults += machine.faults
        yield machine
