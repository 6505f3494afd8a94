"""What happens, as events: kept in the replication's home, and shown to whoever watches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from schemas.document import DocumentDamaged, read_document, write_document
from schemas.errors import HotaddError
from schemas.event import Event

Watcher = Callable[[Event], None]


def timestamp() -> str:
    """The time as events and manifests write it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds_between(before: str, after: str) -> float:
    """Seconds between two times as `timestamp` writes them; 0 if the clock was set back meanwhile."""
    return max(0.0, (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds())


class Journal:
    """The event log of one replication. Safe to use from several threads."""

    def __init__(self, replication: str, file: Path, watcher: Watcher) -> None:
        self.replication = replication
        self._file = file
        self._watcher = watcher
        self._lock = Lock()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note that a step starts, and how it ends and after how many seconds."""
        started = time.monotonic()
        self._note(Event(timestamp(), self.replication, name, "started"))
        try:
            yield
        except BaseException as error:
            sentence = error.sentence if isinstance(error, HotaddError) else f"{type(error).__name__}: {error}"
            seconds = round(time.monotonic() - started, 3)
            self._note(Event(timestamp(), self.replication, name, "failed", seconds=seconds, message=sentence))
            raise
        seconds = round(time.monotonic() - started, 3)
        self._note(Event(timestamp(), self.replication, name, "finished", seconds=seconds))

    def tell(self, step: str, message: str) -> None:
        """Note one sentence about a step."""
        self._note(Event(timestamp(), self.replication, step, "note", message=message))

    def progress(self, step: str, disk: str, done: int, total: int, message: str) -> None:
        """Note how far a disk has come, in bytes."""
        event = Event(
            timestamp(),
            self.replication,
            step,
            "progress",
            disk=disk,
            bytes_done=done,
            bytes_total=total,
            message=message,
        )
        self._note(event)

    def _note(self, event: Event) -> None:
        line = write_document(event, "event", one_line=True)
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One write of one line in append mode: a kill leaves whole lines, or one cut line at the very end.
            descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (b"\n" if cut else b"") + line.encode())
            finally:
                os.close(descriptor)
            self._watcher(event)


def read_events(file: Path) -> list[Event]:
    """All whole events of a log; lines that a kill or a full disk cut off are passed over."""
    if not file.exists():
        return []
    events = []
    for line in file.read_bytes().splitlines():
        with suppress(DocumentDamaged):
            events.append(read_document(line, "event", Event, str(file)))
    return events
