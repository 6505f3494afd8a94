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
from pathlib import Path

from synth import write_specs

from runner.plan.markdown import MOST

ROOT = Path(__file__).parents[1]
TARGET_SECONDS = 60.0


def write_state(directory: Path, name: str) -> None:
    """The state of a machine that was replicated: what Terraform leaves in the phase `target`."""
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
        resource("aws_ebs_volume", f"disk_{disk}", {"id": volumes[disk], "size": 40, "tags": {}}) for disk in disks
    ]
    resources += [resource("aws_volume_attachment", f"target_disk_{disk}", {"id": "vai-1"}, 0) for disk in disks]
    resources.append(resource("aws_instance", "destination", {"id": "i-00000000000000001"}, 0))
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


def resource(kind: str, name: str, attributes: dict[str, object], index: int | None = None) -> dict[str, object]:
    """One resource of a state file."""
    instance: dict[str, object] = {} if index is None else {"index_key": index}
    return {"mode": "managed", "type": kind, "name": name, "instances": [{**instance, "attributes": attributes}]}


def measure(machines: int) -> dict[str, float]:
    """One run of the command, as a pipeline calls it: seconds, and characters of the markdown."""
    with tempfile.TemporaryDirectory(prefix="hotadd-bench-") as scratch:
        specs = write_specs(Path(scratch), machines)
        for spec in specs[::2]:
            write_state(Path(scratch) / "state", spec.stem)
        words = [sys.executable, "-m", "runner.cli", "plan", *map(str, specs), "--markdown", "-o", f"{scratch}/plan"]
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "AWS_ENDPOINT_URL": ""}
        )
        seconds = time.monotonic() - began
        if done.returncode not in (2, 3):
            sys.exit(done.stderr)
        planned = len(json.loads(Path(scratch, "plan").read_text())["machines"])
    if planned != machines:
        sys.exit(f"{planned} machines of {machines} were planned")
    return {"machines": machines, "seconds": round(seconds, 2), "markdown_characters": len(done.stdout)}


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
    print(
        f"{measured['machines']:5} machines: {measured['seconds']:6.2f} s (target under {TARGET_SECONDS:.0f} s),"
        f" markdown of {measured['markdown_characters']} characters (at most {MOST})"
    )


if __name__ == "__main__":
    main()
