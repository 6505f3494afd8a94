"""The one door to other programs.

Every child runs in a session of its own on a leash: a pipe whose write end only this process holds. When this
process dies, however it dies, the leash's other end reads end-of-file and kills the child's whole process group
(PR_SET_PDEATHSIG would do for the direct child alone, and it fires when the forking *thread* ends; Terraform's
provider plugins are grandchildren).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from schemas.errors import HotaddError

# $0 is a label; "$@" the command. The watcher must not hold the command's stdout or stderr open.
_LEASH = '(read -r _ <&"$HOTADD_LEASH_FD"; kill -KILL 0) </dev/null >/dev/null 2>&1 & exec "$@"'
_OUTPUT_KEPT = 64 * 1024 * 1024  # bytes; a program that prints more has gone wrong
_LINE_MOST = 1024 * 1024  # bytes; a line without an end would be held in memory whole, and is taken in pieces


class ProgramMissing(HotaddError):
    """A program is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"The program {program} is not installed.", "Run `hotadd doctor`: it names the package.")
        self.program = program


class ProgramFailed(HotaddError):
    """A program ended with another exit code than the accepted ones, or took too long."""

    def __init__(self, argv: Sequence[str], code: int | None, stderr: str) -> None:
        said = stderr.strip().splitlines()
        how = "took too long and was ended" if code is None else f"ended with exit code {code}"
        super().__init__(
            f"{os.path.basename(argv[0])} {how}: {said[-1] if said else '(it printed nothing)'}",
            "Its whole output is in the log of this run.",
        )
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its exit code and what it printed, decoded as UTF-8."""

    code: int
    stdout: str
    stderr: str


class Leashed:
    """A child process whose process group ends with this process, or with `end`."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = tuple(str(a) for a in argv)
        read_end, self._leash = os.pipe()
        try:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", f"{_LEASH} {read_end}<&-", "leash", *self.argv],
                cwd=cwd,
                env={**(os.environ if env is None else env), "HOTADD_LEASH_FD": str(read_end)},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(read_end, *pass_fds),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._leash)
            raise
        finally:
            os.close(read_end)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the program and return its exit code; `subprocess.TimeoutExpired` after `timeout` seconds."""
        code = self.process.wait(timeout)
        self._drop_leash()
        return code

    def end(self) -> None:
        """Kill the whole process group now."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._drop_leash()

    def _drop_leash(self) -> None:
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    accept: Sequence[int] = (0,),
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a program to its end.

    `timeout` is in seconds. `on_line` gets each line of standard output as it comes, one of more than a MiB in pieces.
    Raises `ProgramMissing` (exit code 127 of the leash's shell) and `ProgramFailed` (any exit code outside `accept`,
    or the timeout).
    """
    child = Leashed(argv, cwd=cwd, env=env, stdin=subprocess.PIPE, pass_fds=pass_fds)
    kept: dict[str, list[bytes]] = {"out": [], "err": []}

    def drain(stream: IO[bytes], name: str, tell: Callable[[str], None] | None) -> None:
        size = 0
        while line := stream.readline(_LINE_MOST):
            size += len(line)
            if size <= _OUTPUT_KEPT:
                kept[name].append(line)
            if tell is not None:
                tell(line.decode("utf-8", "replace").rstrip("\n"))

    streams = child.process
    assert streams.stdin is not None and streams.stdout is not None and streams.stderr is not None
    readers = [
        Thread(target=drain, args=(streams.stdout, "out", on_line), daemon=True),
        Thread(target=drain, args=(streams.stderr, "err", None), daemon=True),
    ]
    for reader in readers:
        reader.start()
    code: int | None
    try:
        try:
            streams.stdin.write(stdin)
            streams.stdin.close()
        except BrokenPipeError:
            pass
        code = child.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        child.end()
        for reader in readers:
            reader.join(timeout=5)
    stdout, stderr = (b"".join(kept[name]).decode("utf-8", "replace") for name in ("out", "err"))
    if code == 127 and 127 not in accept and "not found" in stderr:
        raise ProgramMissing(child.argv[0])
    if code is None or code not in accept:
        raise ProgramFailed(child.argv, code, stderr or stdout)
    return Completed(code, stdout, stderr)
