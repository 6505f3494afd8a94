"""The small applier against real Terraform with a drill's stack: volumes from snapshots, a security group, removal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from runner.aws.account import Account
from runner.home import home_of
from runner.journal import Journal
from runner.lab.record import LabInfo
from runner.manifests import Manifests
from runner.phases.drill_copy import stage_copies
from runner.phases.job import Job
from runner.phases.move import hand_over, launch, release
from runner.phases.rootswap import swap_root
from runner.terraform.project import Project, TerraformProject, Variables
from runner.terraform.synthesis import synthesize_drill
from schemas.document import write_document
from schemas.drill import DrillDisk, DrillRequest, drill_spec
from schemas.loading import load_spec
from tests.applier.project import SmallApplier
from tests.applier.test_equality import SPEC, Recorded, _lab, _seen, _tags

pytestmark = [pytest.mark.terraform, pytest.mark.lab, pytest.mark.process, pytest.mark.slow]

Kind = Callable[[Path, Callable[[str], None]], Project]
SLOTS = {"root": "xvdf", "data-2": "xvdg"}


def _remove(job: Job) -> None:
    """As a drill goes down: its instance ended first, then the stack destroyed."""
    outputs = job.project().outputs()
    assert outputs is not None
    job.account.ec2.terminate_instances(InstanceIds=[outputs.instance_id])
    job.account.ec2.get_waiter("instance_terminated").wait(InstanceIds=[outputs.instance_id], WaiterConfig={"Delay": 1})
    variables = Variables("detached", False, SLOTS, "/dev/xvda")
    job.project().apply(job.project().plan("down", variables, refresh=True, destroy=True))


PHASES: tuple[tuple[str, Callable[[Job], object]], ...] = (
    ("staging", stage_copies),
    ("detached", release),
    ("launched", launch),
    ("root swap", swap_root),
    ("target", hand_over),
)


def _snapshot(account: Account, info: LabInfo, size: int) -> str:
    """A completed snapshot of a volume that is gone again."""
    volume = account.ec2.create_volume(AvailabilityZone=info.availability_zone, Size=size, Encrypted=True)["VolumeId"]
    made = account.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    account.ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig={"Delay": 1})
    account.ec2.delete_volume(VolumeId=volume)
    return made


def _job(directory: Path, info: LabInfo, kind: Kind) -> Job:
    directory.mkdir()
    file, request_file = directory / "web01.yaml", directory / "request.json"
    words = {
        "region": info.region,
        "zone": info.availability_zone,
        "node": info.access_node_id,
        "shell": info.amis["linux"],
        "subnet": info.subnet_id,
    }
    file.write_text(SPEC.format(**words) + "drill: {checks: [{tcp: 22}, {ssm: uptime}]}\n")
    account = Account(info.region)
    request = DrillRequest(
        version=1,
        replication="web01",
        generation=2,
        expires="2026-11-24T06:00:00Z",
        access_node_id=info.access_node_id,
        access_node_cidr="172.31.0.5/32",
        vpc_id=info.vpc_id,
        vpc_cidrs=("172.31.0.0/16",),
        disks=(
            DrillDisk("root", _snapshot(account, info, 8), 8),
            DrillDisk("data-2", _snapshot(account, info, 9), 9),
        ),
    )
    request_file.write_text(write_document(request, "drill_request"))
    spec = drill_spec(load_spec(file), request)
    home = home_of(spec)
    made = Recorded(kind(synthesize_drill(file, request_file, home.work), lambda message: None))
    made.init()
    return Job(
        spec=spec,
        spec_file=file,
        home=home,
        generation=2,
        account=account,
        journal=Journal(spec.name, home.events, lambda event: None),
        manifests=Manifests(home.manifests),
        project=lambda: made,
        stop=lambda: False,
        start_seconds=60.0,
    )


def _all_seen(job: Job, info: LabInfo) -> Any:
    """What `_seen` sees, and the security groups that carry our tags; without ids."""
    tagged = [{"Name": "tag-key", "Values": ["hotadd:drill"]}]
    groups = [
        {key: group.get(key) for key in ("GroupName", "Description", "IpPermissions", "IpPermissionsEgress")}
        | {"Tags": _tags(group)}
        for group in boto3.client("ec2").describe_security_groups(Filters=tagged)["SecurityGroups"]
    ]
    text = json.dumps({"seen": _seen(job, info), "groups": groups}, sort_keys=True, default=str)
    for pattern in (r"sgrule-[\w-]+", r"\bsg-[0-9a-f]{8,17}", r"\bsnap-[0-9a-f]{8,17}"):
        text = re.sub(pattern, "ID", text)
    return json.loads(text.replace(info.access_node_id, "NODE"))


def _journey(directory: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    directory.mkdir()
    with _lab(directory / "lab", monkeypatch) as info:
        job = _job(directory / "job", info, kind)
        seen = {}
        for name, act in PHASES:
            act(job)
            seen[name] = _all_seen(job, info)
        _remove(job)
        assert job.project().resources() == {}
        names = {v["VolumeId"] for v in boto3.client("ec2").describe_volumes()["Volumes"]}
        assert len(names) == 1, "the access node's own root alone"
        return seen


def test_the_small_applier_leaves_what_terraform_leaves_of_a_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = _journey(tmp_path / "small", SmallApplier, monkeypatch)
    real = _journey(tmp_path / "real", TerraformProject, monkeypatch)
    for phase, _ in PHASES:
        assert small[phase] == real[phase], f"after {phase}"
