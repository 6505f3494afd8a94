"""hotadd copy: the block engine on its own."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from runner.blocks.copy import copy_disk
from runner.blocks.device import open_device
from runner.blocks.progress import Progress
from runner.blocks.source import open_source

Word = TypeVar("Word", bound=str)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Copy disks."""


@app.command("copy")
def copy_command(
    source: Annotated[str, typer.Argument(help="The disk image.")],
    device: Annotated[str, typer.Argument(help="A block device or an existing file, at least as large.")],
    format: Annotated[str, typer.Option(help="Format of the image; it is never guessed.")] = "raw",
    zeroes: Annotated[str, typer.Option(help="auto, skip or write.")] = "write",
    verify: Annotated[str, typer.Option(help="none, written or full.")] = "none",
    digests: Annotated[Path | None, typer.Option(help="Digest file (default: beside the source).")] = None,
) -> None:
    """Copy a disk image onto a device, digesting every 512 KiB block; killed and run again, it goes on."""
    kept = digests if digests is not None else Path(f"{source}.digests")
    with closing(open_source(source, format)) as opened, closing(open_device(device)) as target:
        result = copy_disk(
            opened,
            target,
            disk=Path(source).stem or "disk",
            generation=1,
            digests=kept,
            checkpoint=kept.with_suffix(".checkpoint"),
            zeroes=_one_of(zeroes, "--zeroes", ("auto", "skip", "write")),
            verify=_one_of(verify, "--verify", ("none", "written", "full")),
            progress=_tell,
        )
    kept.with_suffix(".checkpoint").unlink(missing_ok=True)
    typer.echo(
        f"{result.bytes_total} bytes in {result.seconds:.1f} s: {result.bytes_data} data, "
        f"{result.bytes_zero_written} zeroes written, {result.bytes_zero_skipped} skipped; digests in {kept}"
    )


def _one_of(word: str, option: str, words: tuple[Word, ...]) -> Word:
    for known in words:
        if word == known:
            return known
    raise typer.BadParameter(f"{word} is none of {', '.join(words)}", param_hint=option)


def _tell(progress: Progress) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{progress.bytes_done} of {progress.bytes_total} bytes", nl=False, err=True)
