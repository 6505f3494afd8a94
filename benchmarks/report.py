"""The report of a fleet: 200 machines of three disks, half of whose cells moved. Its size, and how soon it is open.

    python benchmarks/report.py [--machines 200] [--runs 3] [--keep FILE] [--json]

Each machine has two generations, a drift, a drill and a journal of 2,000 events. Opening is measured in headless
Chromium: from the request for the page to the second frame after its `load` event. Targets: 5 MB, and 2 s.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.runner.report.chromium import browser
from tests.runner.report.ground import Ground, Painted

MOST_BYTES = 5_000_000
MOST_SECONDS = 2.0
_KINDS = 5  # machines of different make; the others are their copies under other names


def paint(chance: random.Random, blocks: int) -> str:
    """A disk on which runs of changed and unchanged blocks are about as long as a cell: the most that maps can cost."""
    letters = []
    while len(letters) < blocks:
        letters += [chance.choice("DDCCZz")] * chance.randint(1, max(2, blocks // 256))
    return "".join(letters[:blocks])


def make(place: Path, machines: int) -> list[Path]:
    """The homes of a fleet; their spec files."""
    chance = random.Random(7)
    kinds = []
    for _ in range(_KINDS):
        disks = []
        for disk, blocks in (("root", 8192), ("data", 20480), ("logs", 4096)):
            some = tuple(sorted(chance.sample(range(blocks), 150)))
            disks.append(Painted(disk, paint(chance, blocks), some[::2], some[1::2]))
        kinds.append(tuple(disks))
    specs, first = [], dict[int, Ground]()
    for at in range(machines):
        ground = Ground(place, f"web{at:04}", kinds[at % _KINDS])
        if at % _KINDS in first:
            copy(first[at % _KINDS], ground)
        else:
            first[at % _KINDS] = ground
            ground.two_generations()
        ground.drift()
        ground.drill(reason="The console never showed login:." if at % 7 == 0 else "")
        progress = {"time": "2026-11-22T06:00:05.000Z", "replication": ground.name, "step": "restore"}
        line = json.dumps({**progress, "status": "progress", "disk": "root", "bytes_done": 1, "bytes_total": 2})
        with ground.home.events.open("a") as journal:
            journal.write(f"{line}\n" * 2000)
        specs.append(ground.spec_file)
    return specs


def copy(one: Ground, other: Ground) -> None:
    """The other machine is the one under its own name."""
    shutil.copytree(one.home.manifests, other.home.manifests)
    for generation in one.manifests.generations():
        made = one.manifests.read(generation)
        assert made is not None
        other.manifests.path(generation).unlink()
        other.manifests.write(type(made)(**{**vars(made), "replication": other.name}))
    other.state("target")
    other.events()


def write(specs: list[Path], page: Path) -> tuple[float, float]:
    """Seconds that the command takes, and the largest resident set of its process in MiB."""
    began = time.monotonic()
    words = [sys.executable, "-m", "runner.cli", "report", *map(str, specs), "-o", str(page)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Measure and print; fails where a target is missed."""
    parser = argparse.ArgumentParser(description="Size of a fleet's report, and how soon it is open.")
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        page = asked.keep or Path(scratch) / "report.html"
        seconds, peak = write(make(Path(scratch), asked.machines), page)
        with browser() as one:
            opened = [one.open(page) for _ in range(asked.runs)]
            faults = list(one.said)
        size = page.stat().st_size
    told = {
        "machines": asked.machines,
        "bytes": size,
        "written_seconds": round(seconds, 1),
        "peak_mib": round(peak),
        "opened_seconds": round(statistics.median(opened), 2),
    }
    print(json.dumps(told) if asked.json else "report: " + ", ".join(f"{name} {value}" for name, value in told.items()))
    if faults:
        sys.exit(f"the console says {faults}")
    if size > MOST_BYTES or told["opened_seconds"] > MOST_SECONDS:
        sys.exit(f"over the target of {MOST_BYTES} bytes and {MOST_SECONDS} s")


if __name__ == "__main__":
    main()
