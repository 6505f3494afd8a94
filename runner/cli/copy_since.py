"""hotadd copy --since and --repair; loaded when they are asked for, since the start of a plain copy counts."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from runner.blocks.delta import copy_changes
from runner.blocks.device import Device
from runner.blocks.digests import DigestFile
from runner.blocks.source import Source
from runner.cli.asked_copy import CopyAsked
from schemas.errors import Refused


class DigestsMissing(Refused):
    """There is no digest file of an earlier copy where one was named."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no digest file {path}.", "Name what the earlier copy left, or use --repair.")
        self.path = path


def bring(asked: CopyAsked, source: Source, device: Device) -> None:
    """Write what differs, and say what was done. Raises `DigestsMissing`, and what `copy_changes` raises."""
    with ExitStack() as stack:
        reference = None
        if asked.since is not None:
            try:
                reference = stack.enter_context(closing(DigestFile.open(asked.since)))
            except FileNotFoundError as error:
                raise DigestsMissing(asked.since) from error
        changes = None
        if asked.changes is not None:
            # Checked against the schema, which takes a while to load.
            changes = import_module("runner.cli.change_list").read_extents(asked.changes, source.size)
        result = copy_changes(
            source,
            device,
            disk=reference.disk if reference is not None else Path(asked.source).stem or "disk",
            generation=reference.generation + 1 if reference is not None else 1,
            reference=reference,
            digests=asked.digests,
            changes=changes,
            verify=asked.verify,
            progress=asked.tell,
            threads=asked.threads,
            limit=asked.limit,
        )
    sentence = (
        f"{result.bytes_total} bytes in {result.seconds:.1f} s: {result.bytes_read} read, "
        f"{result.bytes_changed} changed, {result.bytes_written} written, {result.bytes_zeroed} zeroed"
    )
    print(json.dumps(asdict(result)) if asked.json else f"{sentence}; digests in {asked.digests}")
