"""The block engine against the tools one would use otherwise: every row of docs/performance.md's table.

    python benchmarks/blocks [--gib 1 | --full] [--rounds 5] [--json FILE] [--work NAME]...

Disks are made from a seed and lie in tmpfs, targets are preallocated and resident, tools take turns in random order,
start-up counts. Ours digests every block; the peers do not. A ratio over 1 means that ours is faster. The loop device
needs root. On a machine with other work, `chrt -f 1` in front gives all tools the same quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from blocks.made import Disks  # noqa: E402
from blocks.measure import Bench, Runs  # noqa: E402
from blocks.rows import ROWS, WORKS, Row  # noqa: E402

Found = dict[str, dict[str, Runs]]
_PEAK_MIB = 256


def ratio(row: Row, found: Found, size: int) -> float:
    runs = found[row.work]
    if row.of == "bytes read":
        return size / runs[row.ours].bytes_read
    return runs[row.peer].median / runs[row.ours].median


def table(found: Found, size: int) -> list[str]:
    lines = [f"{'work':27} {'ours':21} {'against':24} {'ratio':>7} {'at least':>9}"]
    for row in ROWS:
        if row.work in found and (row.of != "seconds" or row.peer in found[row.work]):
            reached = ratio(row, found, size)
            least = f"{row.least:9.2f}" if row.least is not None else f"{'-':>9}"
            verdict = "" if row.least is None or reached >= row.least else "  MISSED"
            lines.append(f"{row.work:27} {row.ours:21} {row.peer:24} {reached:7.2f} {least}{verdict}")
    lines += ["", f"{'work':27} {'tool':24} {'median s':>9} {'fastest':>9} {'CPU s':>7} {'peak MiB':>9}"]
    for work, tools in found.items():
        for tool, runs in tools.items():
            over = "  OVER" if tool.startswith("ours") and runs.peak_mib >= _PEAK_MIB else ""
            times = f"{runs.median:9.3f} {min(runs.seconds):9.3f} {statistics.median(runs.cpu):7.2f}"
            lines.append(f"{work:27} {tool:24} {times} {runs.peak_mib:9.0f}{over}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--full", action="store_true", help="disks of 4 GiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="tmpfs for all disks")
    parser.add_argument("--work", action="append", choices=list(WORKS), help="only this work; may be given again")
    chosen = parser.parse_args()
    gib = 4.0 if chosen.full else chosen.gib
    found: Found = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="hotadd-bench-") as folder:
        disks = Disks(Path(folder), gib, chosen.seed)
        bench = Bench(disks, Path(folder), chosen.rounds)
        for name in chosen.work or WORKS:
            work = WORKS[name]
            if work.place == "loop" and os.geteuid():
                print(f"{name}: left out, it needs root", file=sys.stderr)
                continue
            found[name] = bench.measure(work)
            print(f"{name}: done", file=sys.stderr)
        size = disks.raw().stat().st_size
    print(f"Disks of {gib:g} GiB, {chosen.rounds} rounds, seed {chosen.seed}.\n")
    print("\n".join(table(found, size)))
    if not shutil.which("virt-v2v"):
        print("\nvirt-v2v is not installed and left out: it converts guests, and copies with nbdcopy.")
    if chosen.json:
        rows = [{**asdict(row), "ratio": ratio(row, found, size)} for row in ROWS if row.work in found]
        runs = {w: {t: {**asdict(r), "median": r.median} for t, r in tools.items()} for w, tools in found.items()}
        chosen.json.write_text(json.dumps({"gib": gib, "rows": rows, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
