"""What a synth costs: one machine, and 500 machines of three disks. Time, and the peak memory of Python and Node.

    python benchmarks/synth.py [--machines 500] [--runs 3] [--json]

Peak memory is the sum of what Python and its Node processes had resident, sampled from /proc while they ran: their
single peaks do not add up, for they need not fall together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "linux-web01.yaml"
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Measured:
    """Medians over the runs. `cpu_seconds` is what all its processes together computed (other work on the machine
    makes `seconds` longer, hardly this). `rss_mib` and `pss_mib` are peaks;
    PSS counts pages that processes share once."""

    machines: int
    runs: int
    seconds: float
    cpu_seconds: float
    rss_mib: float
    pss_mib: float


def write_specs(directory: Path, machines: int) -> list[Path]:
    """Specs of three disks each, that no state exists for."""
    example = yaml.safe_load(EXAMPLE.read_text())
    specs = []
    for at in range(machines):
        disks = [{"id": f"d{n}", "path": f"/disks/{at}-{n}.raw", "size_gib": 40, "boot": n == 0} for n in range(3)]
        backend = {"local": {"path": str(directory / "state")}}
        spec = {**example, "name": f"vm{at:04}", "source": {"os": "linux", "disks": disks}, "backend": backend}
        specs.append(directory / f"vm{at:04}.yaml")
        specs[-1].write_text(json.dumps(spec))
    return specs


def measure(machines: int, runs: int) -> Measured:
    """Synthesize `machines` specs, `runs` times."""
    seconds, cpu, rss, pss = [], [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as scratch:
            specs = write_specs(Path(scratch), machines)
            argv = [sys.executable, "-m", "stacks", *map(str, specs), "--out", f"{scratch}/out"]
            began, used = time.monotonic(), _cpu()
            child = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "AWS_ENDPOINT_URL": ""})
            peaks = _watch(child)
            seconds.append(time.monotonic() - began)
            cpu.append(_cpu() - used)
            if child.returncode != 0:
                sys.exit(f"synth ended with {child.returncode}")
            written = len(list(Path(scratch, "out", "stacks").glob("*/cdk.tf.json")))
            if written != machines:
                sys.exit(f"synth wrote {written} stacks of {machines}")
            rss.append(peaks[0])
            pss.append(peaks[1])
    return Measured(machines, runs, *(round(statistics.median(values), 2) for values in (seconds, cpu, rss, pss)))


def _watch(child: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Peak RSS and PSS in MiB of a process and all below it, until it ends."""
    rss = pss = 0.0
    while child.poll() is None:
        family = _family(child.pid)
        rss = max(rss, sum(_kib(pid, "status", "VmRSS:") for pid in family) / 1024)
        pss = max(pss, sum(_kib(pid, "smaps_rollup", "Pss:") for pid in family) / 1024)
        time.sleep(_SAMPLE_SECONDS)
    return rss, pss


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(one) for one in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _kib(pid: int, name: str, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time and memory of a synth.")
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = [measure(1, asked.runs), measure(asked.machines, asked.runs)]
    if asked.json:
        print(json.dumps([asdict(result) for result in results]))
        return
    for one in results:
        print(
            f"{one.machines:5} machines: {one.seconds:6.2f} s ({one.cpu_seconds:.2f} s of CPU),"
            f" peak {one.rss_mib:.0f} MiB resident, {one.pss_mib:.0f} MiB proportional"
        )


if __name__ == "__main__":
    main()
