"""One work: the tools take turns in random order, each onto a target that is made what it was before."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from blocks.made import BLOCK, HUGE, MIB, Disks, data_pieces
from blocks.rows import Work
from blocks.tools import HOTADD, Places


@dataclass
class Runs:
    """One tool's rounds: seconds and CPU seconds (user and system), the largest resident set in MiB, bytes read."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    bytes_read: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Bench:
    """Where everything lies, and how often everything is done."""

    def __init__(self, disks: Disks, folder: Path, rounds: int) -> None:
        self._disks, self._folder, self._rounds = disks, folder, rounds
        self._chance = random.Random(disks.seed)
        # Our compiled modules are found by every run, as after any installation; a first run outside the count makes
        # them.
        self._environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._environment["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")

    def measure(self, work: Work) -> dict[str, Runs]:
        """Do it all; raises `SystemExit` where a tool fails or leaves other bytes than it should."""
        source = work.source(self._disks)
        holds = source if work.holds is None else work.holds(self._disks)
        scratch = self._folder / "scratch"
        found = {tool: Runs() for tool, call in work.calls.items()}
        with self._target(work, holds) as target:
            since, changes = self._earlier(work, target)
            places = Places(source, target, scratch, since, changes, work.place == "loop")
            for number in range(-1, self._rounds):  # the first round warms up, and is looked at instead of measured
                for tool in self._chance.sample(list(found), len(found)):
                    self._reset(work, target, holds)
                    shutil.rmtree(scratch, ignore_errors=True)
                    scratch.mkdir()
                    seconds, cpu, peak, read = self._run(work.calls[tool](places))
                    if number < 0:
                        if tool != "cat" and not tool.endswith("reading only"):
                            check(holds, target, tool)
                        continue
                    runs = found[tool]
                    runs.seconds.append(seconds)
                    runs.cpu.append(cpu)
                    runs.peak_mib, runs.bytes_read = max(runs.peak_mib, peak), read
        shutil.rmtree(scratch, ignore_errors=True)
        return found

    def _run(self, call: list[str]) -> tuple[float, float, float, int]:
        with open(self._folder / "said", "w+") as said:
            began = time.perf_counter()
            child = subprocess.Popen(call, stdout=said, stderr=subprocess.DEVNULL, env=self._environment)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{call} ended with exit code {child.returncode}")
            said.seek(0)
            text = said.read()
        read = json.loads(text).get("bytes_read", 0) if call[0] == str(HOTADD) else 0
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, read

    @contextmanager
    def _target(self, work: Work, holds: Path) -> Iterator[Path]:
        """A file, or a loop device with direct I/O upon one; what it is to hold is allocated and resident."""
        size = holds.stat().st_size
        backing = self._folder / "target"
        with open(backing, "wb") as file:
            file.truncate(size)
            for start, end in data_pieces(holds) if size == HUGE else [(0, size)]:
                file.seek(start)
                for _ in range(start, end, MIB):
                    file.write(bytes(MIB))
        if work.place == "tmpfs":
            yield backing
        else:
            setup = ["losetup", "--find", "--show", "--direct-io=on", str(backing)]
            loop = subprocess.run(setup, capture_output=True, text=True, check=True).stdout.strip()
            try:
                yield Path(loop)
            finally:
                subprocess.run(["losetup", "--detach", loop], check=True)
        backing.unlink()

    def _earlier(self, work: Work, target: Path) -> tuple[Path, Path]:
        """The digest file of the first generation, which the target then holds, and a change list."""
        since, changes = self._folder / "since", self._folder / "changes.json"
        if (
            any(tool.startswith("ours") for tool in work.calls)
            and work.before != "zeroes"
            and target.stat().st_size != HUGE
        ):
            first = self._disks.raw()
            call = [str(HOTADD), "copy", str(first), str(target), "--digests", str(since), "--json"]
            subprocess.run(call, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            extents = [{"offset": block * BLOCK, "length": BLOCK} for block in self._disks.changed_blocks()]
            document = {"version": 1, "id": "b", "base": "a", "size": first.stat().st_size, "extents": extents}
            changes.write_text(json.dumps(document))
        return since, changes

    def _reset(self, work: Work, target: Path, holds: Path) -> None:
        if work.before == "as it is":
            return
        with open(target, "r+b", buffering=0) as file:
            if work.before == "zeroes":
                for _ in range(holds.stat().st_size // MIB):
                    file.write(bytes(MIB))
            else:
                with open(self._disks.raw(), "rb", buffering=0) as first:
                    for block in self._disks.changed_blocks():
                        first.seek(block * BLOCK)
                        file.seek(block * BLOCK)
                        file.write(first.read(BLOCK))
            os.fsync(file.fileno())


def check(holds: Path, target: Path, tool: str) -> None:
    """Compare the target with what it must hold: all of it, of the huge disk where that has data."""
    size = holds.stat().st_size
    with open(holds, "rb", buffering=0) as one, open(target, "rb", buffering=0) as other:
        for start, end in data_pieces(holds) if size == HUGE else [(0, size)]:
            for at in range(start, end, MIB):
                one.seek(at)
                other.seek(at)
                if one.read(MIB) != other.read(MIB):
                    raise SystemExit(f"{tool} left other bytes than it should at {at}")
