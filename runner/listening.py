"""Waiting until a server of ours takes connections on its unix socket."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from runner.process import Leashed


def listens(server: Leashed, at: Path, seconds: float) -> bool:
    """Wait for the server; False when it ended, or said nothing for so long.

    The socket's name is there before the server listens, so only a connection tells.
    """
    deadline = time.monotonic() + seconds
    while server.process.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            try:
                trial.connect(str(at))
            except OSError:
                time.sleep(0.005)
            else:
                return True
    return False
