"""NBD servers of others for tests: qemu-nbd, nbdkit, and one that says nothing."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(argv: Sequence[str | Path], at: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on the unix socket `at`, which its arguments name."""
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        patience = time.monotonic() + 30
        while not _listens(at):
            assert server.poll() is None, server.stderr
            assert time.monotonic() < patience
            time.sleep(0.01)
        yield server
    finally:
        server.kill()
        server.wait()
        at.unlink(missing_ok=True)


def _listens(at: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        return trial.connect_ex(str(at)) == 0


def qemu_nbd(image: Path, at: Path, *more: str) -> list[str]:
    return ["qemu-nbd", "--read-only", "--persistent", "--format=raw", f"--socket={at}", *more, str(image)]


def nbdkit(at: Path, *plugin: str) -> list[str]:
    return ["nbdkit", "--foreground", "--readonly", f"--unix={at}", *plugin]


def uri(at: Path, export: str = "") -> str:
    return f"nbd+unix:///{export}?socket={at}"


@contextmanager
def silent(at: Path) -> Iterator[None]:
    """A server that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(at))
        listening.listen()
        yield
