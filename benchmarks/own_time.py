"""The runner's own time in a full replication: everything outside Terraform, copy, guest conversion and waiting.

One small machine (two disks of 64 MiB, a guest that needs no rebuild) in a lab that boots nothing, with the real
Terraform. What the others take is measured at the doors to them and subtracted from the wall clock. Target: under 10 s.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.aws import instances, snapshots, volumes
from runner.cli.job import open_job
from runner.guest import conversion
from runner.lab import account
from runner.phases import restore
from runner.terraform import project, synthesis
from runner.workflow.replication import replicate
from tests.runner.guest import small_guest

TARGET_SECONDS = 10.0


def timed(spent: Counter[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, with its wall time added to `spent`."""

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        try:
            return call(*args, **kwargs)
        finally:
            spent[name] += time.monotonic() - began  # type: ignore[assignment]

    return wrapper


def measure(place: Path) -> dict[str, float]:
    """One replication; seconds by what took them, `own` among them."""
    spent: Counter[str] = Counter()
    doors = [
        (project, "run", "Terraform"),
        (synthesis, "run", "synth"),
        (conversion, "run", "conversion"),
        (restore, "copy_disk", "copy"),
        (instances, "wait_for", "waiting"),
        (snapshots, "wait_for", "waiting"),
        (volumes, "wait_for", "waiting"),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in doors]
    for module, name, what in doors:
        setattr(module, name, timed(spent, what, getattr(module, name)))
    info = account.up(place, boot=False)
    try:
        os.environ.update(account.environment(place))
        root, data = small_guest.build(place / "guest")
        spec = place / "spec.json"
        document = {
            "version": 1,
            "name": "small",
            "region": info.region,
            "availability_zone": info.availability_zone,
            "source": {
                "disks": [
                    {"id": "root", "path": str(root), "size_gib": 1, "boot": True},
                    {"id": "data", "path": str(data), "size_gib": 1},
                ]
            },
            "network": "dhcp",
            "access_node": {"instance_id": info.access_node_id},
            "destination": {
                "instance_type": "m5.large",
                "shell_ami": info.amis["linux"],
                "subnet_id": info.subnet_id,
            },
            "backend": {"local": {"path": "state"}},
        }
        spec.write_text(json.dumps(document), encoding="utf-8")
        began = time.monotonic()
        with open_job(spec, lambda event: None) as job:
            replicate(job)
        total = time.monotonic() - began
    finally:
        account.down(place)
        for module, name, call in before:
            setattr(module, name, call)
    # Two disks are copied side by side: their times overlap, which makes `own` look a little smaller than it is.
    return {"total": total, **spent, "own": total - sum(spent.values())}


def main() -> None:
    """Measure, print medians, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    rounds = []
    for _ in range(words.rounds):
        with tempfile.TemporaryDirectory(prefix="hotadd-own-time-") as name:
            rounds.append(measure(Path(name) / "lab"))
    medians = {key: statistics.median(one.get(key, 0.0) for one in rounds) for key in rounds[0]}
    for key, seconds in medians.items():
        print(f"{key:<12}{seconds:8.1f} s")
    print(f"own time: {medians['own']:.1f} s, target under {TARGET_SECONDS:.0f} s")
    if words.json:
        words.json.write_text(json.dumps(medians, indent=2) + "\n")


if __name__ == "__main__":
    main()
