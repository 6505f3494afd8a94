"""The small applier against real Terraform: the same phases in two labs, compared after each one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from runner.aws.account import Account
from runner.home import home_of
from runner.journal import Journal
from runner.lab import account
from runner.lab.record import LabInfo
from runner.manifests import Manifests
from runner.phases.job import Job
from runner.phases.move import hand_over, launch, release, stage
from runner.phases.reviewed import Reviewed
from runner.phases.rootswap import swap_root
from runner.phases.start import start
from runner.plan.making import Subject, plan_now
from runner.terraform.project import PlanFile, Project, TerraformProject, Variables
from runner.terraform.synthesis import synthesize
from schemas.loading import load_spec
from schemas.outputs import Outputs
from tests.applier.project import SmallApplier

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.terraform, pytest.mark.lab, pytest.mark.process]

SPEC = """version: 1
name: web01
region: {region}
availability_zone: {zone}
source:
  disks:
    - {{id: root, path: root.raw, size_gib: 8, boot: true}}
    - {{id: data-2, path: data.raw, size_gib: 9}}
network: dhcp
access_node: {{instance_id: {node}}}
destination:
  instance_type: m5.large
  shell_ami: {shell}
  subnet_id: {subnet}
  volume: {{type: gp3, iops: 4000, throughput: 250}}
backend: {{local: {{path: state}}}}
tags: {{team: storage}}
"""
PHASES: tuple[tuple[str, Callable[[Job], object]], ...] = (
    ("staging", stage),
    ("detached again", release),
    ("launched", launch),
    ("root swap", swap_root),
    ("target", hand_over),
    ("start", start),
    ("target again", hand_over),
)
_VOLUME = ("AvailabilityZone", "Encrypted", "Iops", "Size", "Throughput", "VolumeType")
_INSTANCE = ("ImageId", "InstanceType", "RootDeviceName", "State", "SubnetId", "KeyName")


@dataclass
class Recorded:
    """A project that notes its plans."""

    project: Project
    plans: list[Any] = field(default_factory=list)

    def plan(self, name: str, variables: Variables, *, refresh: bool, destroy: bool = False) -> PlanFile:
        made = self.project.plan(name, variables, refresh=refresh, destroy=destroy)
        changes = [(c.address, c.type, c.actions, c.importing) for c in made.plan.changes]
        self.plans.append((name, refresh, sorted(changes), made.plan.outputs_change, made.plan.errored))
        return made

    def init(self) -> None:
        self.project.init()

    def apply(self, plan: PlanFile) -> None:
        self.project.apply(plan)

    def settle(self, variables: Variables) -> None:
        self.project.settle(variables)

    def adopt(self, address: str, resource_id: str, variables: Variables) -> None:
        self.project.adopt(address, resource_id, variables)

    def unlock(self, lock_id: str) -> None:
        self.project.unlock(lock_id)

    def resources(self) -> dict[str, str]:
        return self.project.resources()

    def outputs(self) -> Outputs | None:
        return self.project.outputs()

    def access_node_id(self) -> str:
        return self.project.access_node_id()


@contextmanager
def _lab(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabInfo]:
    """A lab without boots, and this process's environment leading to it."""
    info = account.up(directory, boot=False, snapshot_seconds=0.3)
    try:
        for name, value in account.environment(directory).items():
            monkeypatch.setenv(name, value)
        yield info
    finally:
        account.down(directory)


def _job(directory: Path, info: LabInfo, kind: Callable[[Path, Callable[[str], None]], Project]) -> Job:
    directory.mkdir()
    file = directory / "web01.yaml"
    file.write_text(
        SPEC.format(
            region=info.region,
            zone=info.availability_zone,
            node=info.access_node_id,
            shell=info.amis["linux"],
            subnet=info.subnet_id,
        )
    )
    spec = load_spec(file)
    home = home_of(spec)
    journal = Journal(spec.name, home.events, lambda event: None)
    # Every apply is held to the prediction, strictly: what was predicted and is not planned is refused as well.
    plan, world = plan_now(Subject(file, spec, home, Manifests(home.manifests)), "auto")
    assert [step.name for step in plan.steps if step.apply] == [
        "apply staging",
        "apply detached",
        "apply launched",
        "apply target",
    ]
    made = Recorded(kind(synthesize(file, spec.name, home.work), lambda message: None))
    made.init()
    return Job(
        spec=spec,
        spec_file=file,
        home=home,
        generation=1,
        account=Account(spec.region),
        journal=journal,
        manifests=Manifests(home.manifests),
        project=lambda: made,
        stop=lambda: False,
        start_seconds=60.0,
        reviewed=Reviewed(plan.applies, world.stack.declared, resumed=False),
    )


def _seen(job: Job, info: LabInfo) -> dict[str, Any]:
    """The world and the state after a phase, without ids: each stands for what its tags or its role say."""
    ec2: EC2Client = boto3.client("ec2")
    project = job.project()
    assert isinstance(project, Recorded)
    volumes = [
        {
            **{
                key: v.get(key) for key in ("AvailabilityZone", "Encrypted", "Iops", "Size", "Throughput", "VolumeType")
            },
            "VolumeId": v["VolumeId"],
            "State": v["State"],
            "Tags": _tags(v),
            "Attachments": [
                (a["InstanceId"], a["Device"], a["State"], a["DeleteOnTermination"]) for a in v.get("Attachments", [])
            ],
        }
        for v in ec2.describe_volumes()["Volumes"]
    ]
    instances = [
        {
            **{
                key: i.get(key) for key in ("ImageId", "InstanceType", "RootDeviceName", "State", "SubnetId", "KeyName")
            },
            "InstanceId": i["InstanceId"],
            "MetadataOptions": i.get("MetadataOptions"),
            "Groups": [group["GroupName"] for group in i["SecurityGroups"]],
            "Monitoring": i.get("Monitoring"),
            "Profile": i.get("IamInstanceProfile"),
            "Devices": sorted((b["DeviceName"], b["Ebs"]["VolumeId"]) for b in i["BlockDeviceMappings"]),
            "Tags": _tags(i),
            "UserData": ec2.describe_instance_attribute(InstanceId=i["InstanceId"], Attribute="userData")["UserData"],
        }
        for r in ec2.describe_instances()["Reservations"]
        for i in r["Instances"]
    ]
    outputs = project.outputs()
    attachments = ("aws_volume_attachment.",)
    resources = {a: "" if a.startswith(attachments) else id_ for a, id_ in project.resources().items()}
    plans, project.plans = project.plans, []
    everything = {
        "volumes": sorted(volumes, key=lambda v: (json.dumps(v["Tags"]), str(v["Attachments"]))),
        "instances": sorted(instances, key=lambda i: json.dumps(i["Tags"])),
        "outputs": None if outputs is None else vars(outputs),
        "resources": resources,
        "plans": plans,
    }
    return _anonymous(everything, _names(volumes, instances) | {info.subnet_id: "SUBNET", str(job.home): "HOME"})


def _tags(raw: Any) -> dict[str, str]:
    return dict(sorted((tag["Key"], tag["Value"]) for tag in raw.get("Tags", [])))


def _names(volumes: list[dict[str, Any]], instances: list[dict[str, Any]]) -> dict[str, str]:
    named = {v["VolumeId"]: f"VOLUME {v['Tags'].get('Name', 'of the node')}" for v in volumes}
    return named | {i["InstanceId"]: f"INSTANCE {i['Tags'].get('Name', '')}" for i in instances}


def _anonymous(value: Any, names: dict[str, str]) -> Any:
    text = json.dumps(value, sort_keys=True)
    for id_, name in names.items():
        text = text.replace(id_, name)
    assert not re.search(r"\b(vol|i)-[0-9a-f]{17}", text), text
    return json.loads(text)


def _journey(
    directory: Path,
    kind: Callable[[Path, Callable[[str], None]], Project],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    with _lab(directory / "lab", monkeypatch) as info:
        job = _job(directory / "job", info, kind)
        seen = {}
        for name, act in PHASES:
            act(job)
            seen[name] = _seen(job, info)
        return seen


def test_the_small_applier_leaves_what_terraform_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "real"):
        (tmp_path / name).mkdir()
    small = _journey(tmp_path / "small", SmallApplier, monkeypatch)
    real = _journey(tmp_path / "real", TerraformProject, monkeypatch)
    for phase, _ in PHASES:
        assert small[phase] == real[phase], f"after {phase}"
