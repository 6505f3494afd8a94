"""A guest that runs: QEMU on a leash, with a power button."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.process import Leashed


class Vm:
    """A QEMU process whose QMP monitor is its standard input and output.

    `on_exit(vm, code, last_words)` is called once, from a thread of its own, when the process has ended.
    """

    def __init__(self, argv: Sequence[str], log: Path, on_exit: Callable[[Vm, int, str], None]) -> None:
        self._log = log
        self._on_exit = on_exit
        self._gone = threading.Event()
        with open(log, "wb") as errors:
            self._child = Leashed(argv, stdin=subprocess.PIPE, stderr=errors)
        self._tell("qmp_capabilities")
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def running(self) -> bool:
        return not self._gone.is_set()

    def reset(self) -> None:
        self._tell("system_reset")

    def stop(self, patience: float) -> None:
        """Press the power button, wait `patience` seconds for the guest to heed it, then pull the plug."""
        if patience > 0:
            self._tell("system_powerdown")
        if not self._gone.wait(patience):
            self._child.process.kill()
            self._gone.wait()

    def _tell(self, command: str) -> None:
        stream = self._child.process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps({"execute": command}).encode() + b"\n")
            stream.flush()
        except (BrokenPipeError, ValueError):  # QEMU has ended; `_watch` tells
            return

    def _watch(self) -> None:
        stream = self._child.process.stdout
        assert stream is not None
        for _event in stream:  # answers and events; unread, they would fill the pipe and stop QEMU
            pass
        code = self._child.wait()
        self._gone.set()
        words = self._log.read_text(errors="replace").strip().splitlines()
        self._on_exit(self, code, words[-1] if words else "")
