"""A disk that is no raw file: our own reader serves it on a unix socket (NBD), through nbdkit's Python plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runner.confinement import without_network
from runner.guest.refusals import ConversionFailed
from runner.listening import listens
from runner.process import Leashed

_LISTEN_SECONDS = 60.0  # the plugin imports our readers and opens the image: a second, or a walk over S3
_END_SECONDS = 10.0
_PIECE = "256k"  # what a small read takes along: a grain to inflate or a request to S3 serves its neighbours too
_SAID_MOST = 400  # characters of nbdkit's last words that go into an error


@dataclass(frozen=True)
class ServedDisk:
    """A disk of `size` bytes that nbdkit's Python plugin `plugin` serves when it is given `settings`.

    `networked` says whether its reader needs the network.
    """

    plugin: Path
    settings: tuple[tuple[str, str], ...]
    size: int
    networked: bool


@contextmanager
def served(disk: ServedDisk, socket: Path, owner: tuple[int, int]) -> Iterator[None]:
    """Offer the disk read-only on a socket, to the one user who may connect. Raises `ConversionFailed`."""
    said = socket.with_suffix(".log")
    prefix = () if disk.networked else without_network()
    with said.open("wb") as log:
        server = Leashed(
            [*prefix, "nbdkit", "--foreground", "--readonly", f"--unix={socket}", "--filter=cache"]
            + ["python", str(disk.plugin), *(f"{key}={value}" for key, value in disk.settings)]
            + ["cache=unsafe", "cache-on-read=true", f"cache-min-block-size={_PIECE}"],
            env=_environment(disk.plugin),
            stdout=log,
            stderr=log,
        )
    try:
        if not listens(server, socket, _LISTEN_SECONDS):
            words = " / ".join(said.read_text(errors="replace").split("\n"))[-_SAID_MOST:]
            raise ConversionFailed("serving a source disk", words.strip(" /") or "nbdkit does not listen")
        os.chown(socket, *owner)
        yield
    finally:
        _end(server)
        socket.unlink(missing_ok=True)
        said.unlink(missing_ok=True)


def _end(server: Leashed) -> None:
    """Let nbdkit close the source, which may have servers and a scratch directory of its own, then kill the rest."""
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(_END_SECONDS)
    server.end()


def _environment(plugin: Path) -> dict[str, str]:
    """This process's own, with its packages: nbdkit's interpreter is the system's and knows no virtual environment."""
    checkout = str(plugin.resolve().parents[2])
    paths = [checkout, *(path for path in sys.path if path and os.path.isdir(path))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONDONTWRITEBYTECODE": "1"}
