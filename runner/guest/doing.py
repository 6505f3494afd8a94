"""libguestfs's errors as ours, with what was being done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.guest.refusals import ConversionFailed

_SAID_MOST = 400  # characters of a program's last words that go into an error


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn libguestfs's RuntimeError into `ConversionFailed`, with what was being done."""
    try:
        yield
    except (RuntimeError, UnicodeError) as error:  # its Python binding decodes whatever a guest says
        raise ConversionFailed(what, last_words(str(error))) from error


def last_words(said: str) -> str:
    """The end of what a program said, on one line."""
    return " / ".join(line.strip() for line in said.splitlines() if line.strip())[-_SAID_MOST:]
