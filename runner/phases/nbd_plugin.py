"""A source disk as an NBD export: what nbdkit's Python plugin calls, by these names (nbdkit-python-plugin(3)).

nbdkit runs this file by its path, in a process of its own; nothing imports it. It reads through the same readers as a
copy does, so that a guest can be looked at wherever its disks are.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

import nbdkit

from runner.aws.account import Account
from runner.blocks.source import Source
from runner.phases.sources import open_place
from schemas.errors import HotaddError

API_VERSION = 2
_settings: dict[str, str] = {}
_opened: list[Source] = []


def config(key: str, value: str) -> None:
    """One of location, format, member, region."""
    _settings[key] = value


def thread_model() -> Any:
    """Sources are read by several threads at once."""
    return nbdkit.THREAD_MODEL_PARALLEL


def get_ready() -> None:
    """Open the source, once for all connections; what fails here ends nbdkit before it listens.

    `after_fork` would come too late for that; and nothing forks, for nbdkit runs in the foreground.
    """
    s = _settings
    _opened.append(open_place(s["location"], s["format"], s.get("member", ""), Account(s["region"])))


def cleanup() -> None:
    """Close it."""
    while _opened:
        _opened.pop().close()


def open(readonly: bool) -> Source:
    """A connection's handle: the one source."""
    return _opened[0]


def get_size(source: Source) -> int:
    """In bytes."""
    return source.size


def can_multi_conn(source: Source) -> bool:
    """Nobody writes, so all connections see the same."""
    return True


def pread(source: Source, buffer: Any, offset: int, flags: int) -> None:
    """Fill the buffer."""
    try:
        source.read_into(offset, memoryview(buffer))
    except (HotaddError, OSError) as error:
        sys.stderr.write(f"{source.location} at {offset}: {error}\n")
        nbdkit.set_error(errno.EIO)
        raise
