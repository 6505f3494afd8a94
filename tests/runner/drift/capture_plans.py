"""Makes data/*.json: what real Terraform with the real AWS provider says after each thing that somebody changes.

Run by hand: `python -m tests.runner.drift.capture_plans`. It replicates two empty disks in a lab, through the phases
of the product, changes one thing after the other, plans, and undoes what has an undo: the rest stands in the later
plans too. Ids stand as they came.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from runner.aws.account import Account
from runner.home import home_of
from runner.journal import Journal
from runner.lab import account
from runner.lab.record import LabInfo
from runner.manifests import Manifests
from runner.phases.job import Job
from runner.phases.move import hand_over, launch, release, stage
from runner.phases.rootswap import swap_root
from runner.process import run
from runner.terraform.binary import terraform_command
from runner.terraform.project import TerraformProject, Variables
from runner.terraform.synthesis import synthesize
from schemas.loading import load_spec
from schemas.outputs import Outputs

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

DATA = Path(__file__).parent / "data"
_KEPT = ("format_version", "errored", "resource_drift", "resource_changes", "output_changes")
_SPEC = """version: 1
name: web01
region: {region}
availability_zone: {zone}
source:
  disks:
    - {{id: root, path: root.raw, size_gib: 8, boot: true}}
    - {{id: data, path: data.raw, size_gib: 8}}
network: dhcp
start: false
access_node: {{instance_id: {node}}}
destination:
  instance_type: m5.large
  shell_ami: {shell}
  subnet_id: {subnet}
  volume: {{type: gp3, iops: 4000, throughput: 250}}
backend: {{local: {{path: state}}}}
tags: {{team: storage}}
"""

Change = Callable[["EC2Client", Outputs], None]


def _type(name: str) -> Change:
    return lambda ec2, o: _ignore(ec2.modify_instance_attribute(InstanceId=o.instance_id, InstanceType={"Value": name}))


def _tag(value: str) -> Change:
    return lambda ec2, o: _ignore(
        ec2.create_tags(Resources=[o.volumes["data"]], Tags=[{"Key": "team", "Value": value}])
    )


def _volume(**settings: Any) -> Change:
    return lambda ec2, o: _ignore(ec2.modify_volume(VolumeId=o.volumes["data"], **settings))


def _detach(disk: str) -> Change:
    def act(ec2: EC2Client, outputs: Outputs) -> None:
        ec2.detach_volume(VolumeId=outputs.volumes[disk])
        ec2.get_waiter("volume_available").wait(VolumeIds=[outputs.volumes[disk]], WaiterConfig={"Delay": 1})

    return act


def _attach(disk: str, device: str = "") -> Change:
    return lambda ec2, o: _ignore(
        ec2.attach_volume(
            VolumeId=o.volumes[disk],
            InstanceId=o.instance_id,
            Device=device or o.destination_devices[disk],
        )
    )


def _group(ec2: EC2Client, outputs: Outputs) -> None:
    raw = ec2.describe_instances(InstanceIds=[outputs.instance_id])["Reservations"][0]["Instances"][0]
    found = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["by-hand"]}])["SecurityGroups"]
    group = (
        found[0]["GroupId"]
        if found
        else ec2.create_security_group(GroupName="by-hand", Description="by hand", VpcId=raw["VpcId"])["GroupId"]
    )
    ec2.modify_instance_attribute(InstanceId=outputs.instance_id, Groups=[group])


def _start(ec2: EC2Client, outputs: Outputs) -> None:
    ec2.start_instances(InstanceIds=[outputs.instance_id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[outputs.instance_id], WaiterConfig={"Delay": 1})


def _delete(ec2: EC2Client, outputs: Outputs) -> None:
    _detach("data")(ec2, outputs)
    ec2.delete_volume(VolumeId=outputs.volumes["data"])


def _terminate(ec2: EC2Client, outputs: Outputs) -> None:
    ec2.terminate_instances(InstanceIds=[outputs.instance_id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[outputs.instance_id], WaiterConfig={"Delay": 1})


def _ignore(_answer: object) -> None:
    """What a call answers is of no interest."""


CHANGES: tuple[tuple[str, Change | None, Change | None], ...] = (
    ("nothing", None, None),
    ("instance-type", _type("m5.xlarge"), _type("m5.large")),
    ("tag", _tag("nobody"), _tag("storage")),
    ("volume-type", _volume(VolumeType="gp2"), None),
    ("iops", _volume(Iops=6000), _volume(Iops=4000)),
    ("detached", _detach("data"), _attach("data")),
    ("other-device", lambda ec2, o: (_detach("data")(ec2, o), _attach("data", "/dev/sdz")(ec2, o))[0], None),
    ("security-group", _group, None),
    ("started", _start, None),
    ("deleted-volume", _delete, None),
    ("terminated", _terminate, None),
)


@contextmanager
def _lab(directory: Path) -> Iterator[LabInfo]:
    info = account.up(directory, boot=False, snapshot_seconds=0.3)
    os.environ.update(account.environment(directory))
    try:
        yield info
    finally:
        account.down(directory)


def replicate(directory: Path, info: LabInfo) -> tuple[TerraformProject, Outputs]:
    """A replica of two empty disks, never started: Terraform's part of a replication."""
    file = directory / "web01.yaml"
    file.write_text(
        _SPEC.format(
            region=info.region,
            zone=info.availability_zone,
            node=info.access_node_id,
            shell=info.amis["linux"],
            subnet=info.subnet_id,
        )
    )
    spec = load_spec(file)
    home = home_of(spec)
    project = TerraformProject(synthesize(file, spec.name, home.work), print)
    project.init()
    job = Job(
        spec=spec,
        spec_file=file,
        home=home,
        generation=1,
        account=Account(spec.region),
        journal=Journal(spec.name, home.events, lambda event: None),
        manifests=Manifests(home.manifests),
        project=lambda: project,
        stop=lambda: False,
        start_seconds=60.0,
    )
    for phase in (stage, release, launch, swap_root, hand_over):
        phase(job)
    outputs = project.outputs()
    assert outputs is not None
    return project, outputs


def capture(project: TerraformProject, outputs: Outputs, name: str) -> None:
    """Plan, and keep what a drift is read from."""
    variables = Variables(outputs.phase, outputs.launched, outputs.slots, outputs.root_device)
    made = project.plan(name, variables, refresh=True)
    shown = run([*terraform_command(), "show", "-json", str(made.path)], cwd=project.directory, timeout=600).stdout
    document = {key: value for key, value in json.loads(shown).items() if key in _KEPT}
    (DATA / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Capture them all."""
    with tempfile.TemporaryDirectory() as name, _lab(Path(name) / "lab") as info:
        project, outputs = replicate(Path(name), info)
        ec2: EC2Client = boto3.client("ec2")
        (DATA / "outputs.json").write_text(json.dumps(vars(outputs), indent=1, sort_keys=True) + "\n")
        for what, do, undo in CHANGES:
            if do is not None:
                do(ec2, outputs)
            capture(project, outputs, what)
            if undo is not None:
                undo(ec2, outputs)


if __name__ == "__main__":
    main()
