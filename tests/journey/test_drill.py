"""A drill that boots: the sample guest's copy comes up beside its running replica, which does not notice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from runner.lab import account
from runner.lab.record import LabInfo
from tests.journey.conftest import JOURNEY_SECONDS, hotadd

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.slow,
]

# The guest's own report: its disks by name, its data by checksum, its address by DHCP.
REPORT = "root /dev/nvme0n1p1, data /dev/nvme1n1p1, files intact"
DRILL = f"""drill:
  checks:
    - {{console: "{REPORT}", seconds: 600}}
    - {{console: "login:", seconds: 300}}
    - {{console: "this is on no console", seconds: 1}}
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """The demo's lab with its replica running."""
    lab = tmp_path_factory.mktemp("drilled") / "lab"
    try:
        words = [sys.executable, "-m", "runner.cli", "demo", "--keep", "--dir", str(lab)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=JOURNEY_SECONDS)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        yield account.info(lab)
    finally:
        account.down(lab)


def _account(info: LabInfo) -> dict[str, Any]:
    client = boto3.client(
        "ec2",
        region_name=info.region,
        endpoint_url=info.endpoint,
        aws_access_key_id=account.ACCESS_KEY,
        aws_secret_access_key=account.SECRET_KEY,
    )
    instances = [i for r in client.describe_instances()["Reservations"] for i in r["Instances"]]
    return {
        "volumes": {v["VolumeId"]: str(v["Attachments"]) for v in client.describe_volumes()["Volumes"]},
        "instances": {i["InstanceId"] for i in instances if i["State"]["Name"] == "running"},
        "groups": {g["GroupId"] for g in client.describe_security_groups()["SecurityGroups"]},
        "snapshots": {s["SnapshotId"] for s in client.describe_snapshots(OwnerIds=["self"])["Snapshots"]},
    }


def _digests(info: LabInfo) -> dict[str, str]:
    """What the snapshots' files hold, as sha256sum has it. The AMIs' snapshots, 200 GB of holes, are left out."""
    files = sorted(path for path in (info.directory / "snapshots").glob("*.raw") if path.stat().st_blocks)
    done = subprocess.run(["sha256sum", *files], capture_output=True, text=True, check=True, timeout=600)
    return dict(reversed(line.split()) for line in done.stdout.splitlines())


def test_the_copy_boots_and_is_gone_again(demo: LabInfo) -> None:
    spec = demo.directory / "web01.yaml"
    spec.write_text(spec.read_text() + DRILL)
    before, held = _account(demo), _digests(demo)
    done = hotadd(["drill", str(spec), "--keep"], demo.directory)
    verdict = json.loads((demo.directory / "state" / "web01" / "work" / "drill.json").read_text())
    assert [c["passed"] for c in verdict["checks"]] == [True, True, True, False], done.stdout + done.stderr
    assert done.returncode == 1 and verdict["verdict"] == "failed" and "this is on no console" in verdict["reason"]

    # Both run, on disks of their own.
    console = Path(demo.directory / "instances" / verdict["instance_id"] / "console.log").read_text(errors="replace")
    assert REPORT in console
    up = _account(demo)
    assert up["instances"] - before["instances"] == {verdict["instance_id"]}
    assert len(up["volumes"]) == len(before["volumes"]) + 2 and _digests(demo) == held

    down = hotadd(["drill", str(spec), "--down"], demo.directory)
    assert down.returncode == 0, down.stdout + down.stderr
    assert _account(demo) == before
