"""What `hotadd plan` costs: 200 machines of three disks, half of them replicated already. Target: under 60 s.

    python benchmarks/plan.py [--machines 200] [--json]

Every plan is predicted from the synthesized stack and the state; nothing is asked of AWS. The markdown must fit into
one comment on a pull request.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

from synth import write_specs

from runner.manifests import Manifests
from runner.plan.markdown import MOST
from schemas.manifest import DiskRecord, Manifest, SourceRecord

ROOT = Path(__file__).parents[1]
TARGET_SECONDS = 60.0


def write_state(directory: Path, name: str, stack: dict[str, Any]) -> None:
    """The state of a machine that was replicated: what Terraform leaves of its stack in the phase `target`."""
    disks = [f"d{n}" for n in range(3)]
    volumes = {disk: f"vol-{at:017x}" for at, disk in enumerate(disks)}
    values: dict[str, object] = {
        "contract": 1,
        "replication": name,
        "phase": "target",
        "launched": True,
        "slots": {disk: f"xvd{'fgh'[at]}" for at, disk in enumerate(disks)},
        "root_device": "/dev/xvda",
        "destination_devices": {"d0": "/dev/xvda", "d1": "xvdf", "d2": "xvdg"},
        "volumes": volumes,
        "sizes_gib": {disk: 40 for disk in disks},
        "access_node_id": "i-0123456789abcdef0",
        "instance_id": "i-00000000000000001",
    }
    resources = [
        resource(kind, label, block)
        for kind, blocks in stack["resource"].items()
        for label, block in blocks.items()
        if not label.startswith("staging_")
    ]
    state = {
        "version": 4,
        "serial": 9,
        "lineage": name,
        "outputs": {key: {"value": value} for key, value in values.items()},
        "resources": resources,
    }
    place = directory / name / "terraform.tfstate"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(state))


def resource(kind: str, name: str, block: dict[str, Any]) -> dict[str, Any]:
    """One resource of a state file, with the literals of its block."""
    index = {"index_key": 0} if "count" in block else {}
    literals = {key: value for key, value in block.items() if not (isinstance(value, str) and "${" in value)}
    attributes = {"id": "i-00000000000000001", **literals}
    return {"mode": "managed", "type": kind, "name": name, "instances": [{**index, "attributes": attributes}]}


def write_manifest(directory: Path, name: str) -> None:
    """The manifest of a machine's first generation."""
    disks = tuple(
        DiskRecord(
            id=f"d{n}",
            volume_id=f"vol-{n:017x}",
            volume_bytes=40 << 30,
            source=SourceRecord(f"/disks/{name}-{n}.raw", "raw", 40 << 30, 1, 1, 1),
            integrity_snapshot_id="snap-00000000000000001",
            digest_file=f"generation-0001/d{n}.digests",
            digest_of_digests="0" * 64,
            copy="0" * 32,
            injected=(),
        )
        for n in range(3)
    )
    manifest = Manifest(
        version=1,
        replication=name,
        generation=1,
        kind="full",
        status="finished",
        created="2026-11-23T06:10:14.000Z",
        region="eu-central-1",
        instance_id="i-00000000000000001",
        guest="Debian 12",
        disks=disks,
        edits=(),
    )
    Manifests(directory / name / "manifest").write(manifest)


def _cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(machines: int) -> dict[str, float]:
    """One run of the command, as a pipeline calls it: seconds (on a busy machine, look at the CPU's), and characters of
    the markdown."""
    with tempfile.TemporaryDirectory(prefix="hotadd-bench-") as scratch:
        specs = write_specs(Path(scratch), machines)
        out, state = Path(scratch) / "out", Path(scratch) / "state"
        replicated = specs[::2]
        synth = [sys.executable, "-m", "stacks", *map(str, replicated), "--out", str(out)]
        subprocess.run(synth, cwd=ROOT, check=True, env={**os.environ, "AWS_ENDPOINT_URL": ""})
        for spec in replicated:
            write_state(state, spec.stem, json.loads((out / "stacks" / spec.stem / "cdk.tf.json").read_text()))
            write_manifest(state, spec.stem)
        words = [sys.executable, "-m", "runner.cli", "plan", *map(str, specs), "--markdown", "-o", f"{scratch}/plan"]
        began, used = time.monotonic(), _cpu()
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "AWS_ENDPOINT_URL": ""}
        )
        seconds, cpu = time.monotonic() - began, _cpu() - used
        if done.returncode != 2:
            sys.exit(f"hotadd plan ended with {done.returncode}: {done.stdout[:2000]}{done.stderr}")
        kinds = Counter(machine["kind"] for machine in json.loads(Path(scratch, "plan").read_text())["machines"])
    if kinds != {"full": machines // 2, "incremental": machines - machines // 2}:
        sys.exit(f"planned were {dict(kinds)}, of {machines} machines")
    return {
        "machines": machines,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "markdown_characters": len(done.stdout),
    }


def main() -> None:
    """Measure, print, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description="Time of a plan.")
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    measured = measure(asked.machines)
    if asked.json:
        print(json.dumps(measured))
        return
    took = f"{measured['seconds']:6.2f} s ({measured['cpu_seconds']:.2f} s of CPU; target under {TARGET_SECONDS:.0f} s)"
    size = f"markdown of {measured['markdown_characters']} characters (at most {MOST})"
    print(f"{measured['machines']:5} machines: {took}, {size}")


if __name__ == "__main__":
    main()
