"""Copying a raw disk: our engine, with digests, against the tools one would use otherwise, without.

    python benchmarks/copy_disk.py [--gib 1] [--rounds 5] [--json FILE] [--place tmpfs|loop]...

Half of the disk is random data, a quarter zeroes, a quarter holes. The source lies in tmpfs; targets are a file in
tmpfs, and a loop device with direct I/O (root) whose file lies in `--loop-folder`. Targets are zeroed and resident
before each run, the tools take turns in random order, start-up counts. A ratio over 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

MIB = 1 << 20
ONCE = Path(__file__).with_name("copy_once.py")
Command = Callable[[Path, Path, bool], list[str]]  # source, target, whether the target is a block device


@dataclass
class Row:
    """One tool in one place: seconds and CPU seconds of each round, and the largest resident set in MiB."""

    place: str
    tool: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def ours(verify: str) -> Command:
    return lambda source, target, _: [sys.executable, str(ONCE), str(source), str(target), verify]


def qemu_img(source: Path, target: Path, block: bool) -> list[str]:
    cache = ["-t", "none"] if block else []
    fast = ["-n", "-W", "-m", "8", "--target-is-zero"]
    return ["qemu-img", "convert", *fast, *cache, "-f", "raw", "-O", "raw", str(source), str(target)]


def nbdcopy(source: Path, target: Path, block: bool) -> list[str]:
    return ["nbdcopy", "--destination-is-zero", *(["--flush"] if block else []), str(source), str(target)]


def tools() -> dict[str, Command]:
    peers: dict[str, Command] = {"qemu-img convert": qemu_img, "nbdcopy": nbdcopy}
    found = {name: command for name, command in peers.items() if shutil.which(name.split()[0])}
    return {"ours": ours("none"), "ours, verify written": ours("written"), **found}


def make_source(path: Path, gib: float, seed: int) -> None:
    """Pieces of 1 MiB: half data, a quarter zeroes, a quarter never written."""
    chance = random.Random(seed)
    pieces = int(gib * 1024)
    kinds = ["data"] * (pieces // 2) + ["zero"] * (pieces // 4)
    kinds += ["hole"] * (pieces - len(kinds))
    chance.shuffle(kinds)
    with open(path, "wb") as file:
        file.truncate(pieces * MIB)
        for piece, kind in enumerate(kinds):
            if kind != "hole":
                file.seek(piece * MIB)
                file.write(chance.randbytes(MIB) if kind == "data" else bytes(MIB))


def zero(target: Path, size: int) -> None:
    """Zeroes in every block: allocated, and resident where that means anything."""
    with open(target, "r+b", buffering=0) as file:
        for _ in range(size // MIB):
            file.write(bytes(MIB))
        os.fsync(file.fileno())


@contextmanager
def target_in(place: str, folder: Path, size: int) -> Iterator[Path]:
    backing = folder / "target.raw"
    with open(backing, "wb") as file:
        file.truncate(size)
    zero(backing, size)
    if place == "tmpfs":
        yield backing
    else:
        setup = ["losetup", "--find", "--show", "--direct-io=on", str(backing)]
        loop = subprocess.run(setup, capture_output=True, text=True, check=True).stdout.strip()
        try:
            yield Path(loop)
        finally:
            subprocess.run(["losetup", "--detach", loop], check=True)
    backing.unlink()


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds of user and system, largest resident set in MiB of one run."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} ended with exit code {child.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(place: str, source: Path, folder: Path, rounds: int, chance: random.Random) -> list[Row]:
    rows = {tool: Row(place, tool) for tool in tools()}
    size = source.stat().st_size
    with target_in(place, folder, size) as target:
        for number in range(rounds):
            for tool in chance.sample(list(rows), len(rows)):
                zero(target, size)
                seconds, cpu, peak = run(tools()[tool](source, target, place == "loop"))
                row = rows[tool]
                row.seconds.append(seconds)
                row.cpu.append(cpu)
                row.peak_mib = max(row.peak_mib, peak)
                if number == 0:
                    subprocess.run(["cmp", f"--bytes={size}", str(source), str(target)], check=True)
    return list(rows.values())


def table(rows: list[Row]) -> str:
    lines = [f"{'place':6} {'tool':22} {'median s':>9} {'ours is':>9} {'verifying':>9} {'CPU s':>7} {'peak MiB':>9}"]
    for row in rows:
        mine = {r.tool: r.median for r in rows if r.place == row.place}
        ratios = [f"{row.median / mine[tool]:.2f}x" for tool in ("ours", "ours, verify written")]
        numbers = f"{row.median:9.3f} {ratios[0]:>9} {ratios[1]:>9} {statistics.median(row.cpu):7.2f}"
        lines.append(f"{row.place:6} {row.tool:22} {numbers} {row.peak_mib:9.0f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--loop-folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--place", action="append", choices=["tmpfs", "loop"])
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    places = chosen.place or (["tmpfs", "loop"] if os.geteuid() == 0 else ["tmpfs"])
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(dir=chosen.tmpfs) as near,
        tempfile.TemporaryDirectory(dir=chosen.loop_folder) as far,
    ):
        source = Path(near) / "source.raw"
        make_source(source, chosen.gib, chosen.seed)
        for place in places:
            rows += measure(place, source, Path(near if place == "tmpfs" else far), chosen.rounds, chance)
    print(table(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps([{**asdict(row), "median": row.median} for row in rows], indent=1))


if __name__ == "__main__":
    main()
