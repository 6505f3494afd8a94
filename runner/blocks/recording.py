"""Writing the record of a copy: its digest file and its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.blocks.errors import RecordFailed


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """Turn an OSError into `RecordFailed`, of the file that it names or else of `path`."""
    try:
        yield
    except OSError as error:
        raise RecordFailed(str(error.filename or path), error) from error
