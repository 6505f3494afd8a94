"""`hotadd` with the small applier in Terraform's place, and with a fate: where it is to die, or what befalls it.

A server: one JSON request a line on standard input, one answer a line on standard output. Each request is served by a
fork of its own, so that a run may kill itself, and so that Python's imports (2 s) are paid for once. The request is
{"words": [...], "env": {...}, "out": FILE, "fate": {...}}; see `Fate`. The answer is {"pid": ...} at once and
{"status": ...} at the end: the exit code, or minus the signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore import endpoint

from runner.cli import drift as drift_command
from runner.cli import drill as drill_command
from runner.cli import drill_job
from runner.cli import history as history_command
from runner.cli import job as job_module
from runner.cli import replicate as replicate_command
from runner.cli import restore_vm as restore_command
from runner.cli import rollback as rollback_command
from runner.cli import status as status_command
from runner.cli.main import run
from runner.journal import Watcher
from runner.phases import drill_copy, inject, preflight
from runner.plan import making as plan_making
from runner.workflow import replication
from schemas.event import Event
from tests.applier.project import SmallApplier
from tests.survival import quick_guest

# botocore's waits between two tries add up to 35 s on average; how often it tries is what the tests count.
_HASTE = 20
_PATIENCE = 60.0

USED = (history_command, replicate_command, rollback_command, status_command)  # loaded before the first fork


@dataclass(frozen=True)
class Fate:
    """What happens to a run, and when.

    `signal` (a name) is sent to itself at the event (`step`, `status`) whose sentence holds `message`, for the
    `count`-th time; with `writes`, at the n-th write to a volume in that step instead. `version` is the workflow
    version the run believes in. `guest`: `quick` (an overlay made by qemu-img, no appliance) or `real`.
    """

    step: str = ""
    status: str = "started"
    message: str = ""
    count: int = 1
    writes: int = 0
    signal: str = "SIGKILL"
    version: str = "1"
    guest: str = "quick"


class _Fates:
    """Watches events and writes, and strikes."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._seen = 0
        # One write at a time: a death at the n-th leaves n of them, whatever the other threads were about to write.
        self.writing = threading.Lock()
        self._step = ""
        self._written = 0
        self.bytes: dict[str, int] = {}  # written to volumes, by step
        self.stopping = threading.Event()  # the run's own flag, once it has one

    def watch(self, event: Event) -> None:
        fate = self._fate
        if event.status == "started":
            self._step = event.step
        here = (event.step, event.status) == (fate.step, fate.status) and fate.message in (event.message or "")
        if here and not fate.writes:
            self._seen += 1
            if self._seen == fate.count:
                self._strike()

    def wrote(self, descriptor: int, count: int) -> None:
        if "/volumes/" not in os.readlink(f"/proc/self/fd/{descriptor}"):
            return
        self.bytes[self._step] = self.bytes.get(self._step, 0) + count
        if self._step == self._fate.step and self._fate.writes:
            self._written += 1
            if self._written == self._fate.writes:
                self._strike()
            if self._written >= self._fate.writes:
                # A signal is heard by the main thread, in its own time: until then no thread writes on.
                self.stopping.wait(_PATIENCE)

    def _strike(self) -> None:
        os.kill(os.getpid(), signal.Signals[self._fate.signal])


def serve(words: list[str], fate: Fate, written: Path | None = None) -> int:
    """One run of the command line; its exit code. `written` gets the bytes written to volumes, by step."""
    fates = _Fates(fate)

    stop_on_interrupt = job_module.stop_on_interrupt

    @contextmanager
    def stop_known() -> Iterator[Callable[[], bool]]:
        with stop_on_interrupt() as stop:
            fates.stopping = stop.__self__  # type: ignore[attr-defined]  # is_set of an Event
            yield stop

    @contextmanager
    def watching(_as_json: bool) -> Iterator[Watcher]:
        yield fates.watch

    job_module.stop_on_interrupt = stop_known
    replicate_command.watching = rollback_command.watching = drill_command.watching = watching
    drift_command.say = fates.watch
    restore_command.watching = watching
    endpoint.time = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / _HASTE))
    job_module.TerraformProject = drill_job.TerraformProject = plan_making.TerraformProject = SmallApplier
    replication.VERSION = fate.version
    os.pwrite, os.pwritev = _watched(os.pwrite, fates), _watched(os.pwritev, fates)
    if fate.guest == "quick":
        preflight.inspect, preflight.check = quick_guest.inspect, quick_guest.check
        inject.prepare, inject.check = quick_guest.prepare, quick_guest.check
        drill_copy.prepare, drill_copy.check = quick_guest.prepare, quick_guest.check
    code = run(words)
    if written is not None:
        written.write_text(json.dumps(fates.bytes))
    return code


def _watched(write: Callable[..., int], fates: _Fates) -> Callable[..., int]:
    def watched(descriptor: int, *rest: Any) -> int:
        with fates.writing:
            done = write(descriptor, *rest)
            fates.wrote(descriptor, done)
        return done

    return watched


def _fork(request: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        output = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(request["env"])
        code = serve(request["words"], Fate(**request["fate"]), Path(request["out"] + ".written"))
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the fork must never run the server's loop
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        child = _fork(json.loads(line))
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
