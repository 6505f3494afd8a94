"""Threads that take requests from one queue until it is empty or something fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from runner.blocks.buffers import aligned_buffer

Request = TypeVar("Request")
_TICK = 0.1  # seconds between two looks of the thread that waits


class Pool(Generic[Request]):
    """Runs `work(request, buffer)` for every request; each thread has one aligned buffer, used again and again.

    The first error ends all threads after their request at hand, and is the one raised.
    """

    def __init__(self, requests: Iterator[Request], work: Callable[[Request, memoryview], None], buffer: int) -> None:
        self._requests = requests
        self._work = work
        self._buffer = buffer
        self._lock = Lock()
        self._error: BaseException | None = None
        self._running = 0
        self._finished = Event()

    def run(self, threads: int, tend: Callable[[], None]) -> None:
        """Work with so many threads; the calling thread calls `tend` every tenth of a second meanwhile."""
        workers = [Thread(target=self._run_one, daemon=True) for _ in range(threads)]
        self._running = threads
        for worker in workers:
            worker.start()
        try:
            while not self._finished.wait(_TICK):
                tend()
        except BaseException as error:  # noqa: BLE001 (raised below, if it is the first)
            self._fail(error)
        finally:
            for worker in workers:
                worker.join()
        if self._error is not None:
            raise self._error

    def _run_one(self) -> None:
        buffer = aligned_buffer(self._buffer)
        try:
            while (request := self._next()) is not None:
                self._work(request, buffer)
        except BaseException as error:  # noqa: BLE001 (whatever it is, the calling thread raises it)
            self._fail(error)
        with self._lock:
            self._running -= 1
            if not self._running:
                self._finished.set()

    def _next(self) -> Request | None:
        with self._lock:
            return None if self._error is not None else next(self._requests, None)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
