"""All phases through real Terraform, in order, with the root swap between: after each, a plain plan is empty."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from runner.lab import account
from runner.lab.provider import WHEEL_VERSION
from runner.lab.record import LabInfo
from runner.process import Completed, run

pytestmark = [pytest.mark.node, pytest.mark.terraform, pytest.mark.lab, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["", WHEEL_VERSION], ids=["at-hand", WHEEL_VERSION])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LabInfo, dict[str, str]]]:
    """A lab without boots, and the environment that leads to it with one of the providers."""
    directory = tmp_path_factory.mktemp("lab")
    info = account.up(directory, boot=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOTADD_PROVIDER", request.param)
        environment = account.environment(directory)
    yield info, {**os.environ, **environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    account.down(directory)


@dataclass
class Machine:
    """web01 in a lab: synthesized, planned and applied as a user would."""

    home: Path
    environment: Mapping[str, str]
    synth: Callable[..., Completed]

    @property
    def stack(self) -> Path:
        return self.home / "out" / "stacks" / "web01"

    def terraform(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> Completed:
        program = os.environ.get("TERRAFORM_BINARY_NAME", "terraform")
        return run([program, *arguments], timeout=500, cwd=self.stack, env=self.environment, accept=accept)

    def synthesize(self) -> None:
        done = self.synth([self.home / "web01.yaml", "--out", self.home / "out"], self.environment)
        assert done.code == 0, done.stderr

    def apply(self, *variables: str, refresh: bool = True) -> None:
        named = [f"-var={one}" for one in variables]
        self.terraform("apply", "-auto-approve", "-input=false", f"-refresh={str(refresh).lower()}", *named)

    def plan_is_empty(self, refresh: bool = True) -> None:
        self.synthesize()
        said = self.terraform(
            "plan", "-input=false", "-detailed-exitcode", f"-refresh={str(refresh).lower()}", accept=(0, 2)
        )
        assert said.code == 0, said.stdout

    def outputs(self) -> dict[str, Any]:
        return {key: one["value"] for key, one in json.loads(self.terraform("output", "-json").stdout).items()}


@pytest.fixture(scope="module")
def machine(
    lab: tuple[LabInfo, dict[str, str]], tmp_path_factory: pytest.TempPathFactory, synth: Callable[..., Completed]
) -> Machine:
    info, environment = lab
    home = tmp_path_factory.mktemp("machine")
    spec = yaml.safe_load((ROOT / "examples" / "linux-web01.yaml").read_text())
    spec |= {"region": info.region, "availability_zone": info.availability_zone}
    spec["access_node"] = {"instance_id": info.access_node_id}
    spec["destination"] |= {
        "shell_ami": info.amis["linux"],
        "subnet_id": info.subnet_id,
        "security_group_ids": [info.security_group_id],
        "volume": {"type": "gp3"},
    }
    del spec["destination"]["key_name"]
    spec["source"]["disks"] = [{**disk, "size_gib": 1} for disk in spec["source"]["disks"]]
    spec["backend"] = {"local": {"path": "state"}}
    (home / "web01.yaml").write_text(yaml.safe_dump(spec))
    return Machine(home, environment, synth)


def test_every_phase_settles(machine: Machine, lab: tuple[LabInfo, dict[str, str]]) -> None:
    info, environment = lab
    ec2 = boto3.client(
        "ec2",
        region_name=info.region,
        endpoint_url=info.endpoint,
        aws_access_key_id=account.ACCESS_KEY,
        aws_secret_access_key=account.SECRET_KEY,
    )
    machine.synthesize()
    machine.terraform("init", "-input=false")
    refused = machine.terraform("plan", "-input=false", "-var=phase=target", accept=(1,))
    assert "needs launched=true" in " ".join(refused.stderr.split())
    for variables in (["phase=detached", "root_device=/dev/xvda"], ["phase=staging"], ["phase=detached"]):
        machine.apply(*variables)
        machine.plan_is_empty()
    machine.apply("launched=true")
    machine.plan_is_empty()

    told = machine.outputs()
    instance, volumes = told["instance_id"], set(told["volumes"].values())
    ec2.stop_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
    (shell,) = describe(ec2, instance)
    tags = {one["Key"]: one["Value"] for one in ec2.describe_volumes(VolumeIds=[shell])["Volumes"][0]["Tags"]}
    assert tags["hotadd:role"] == "shell-root" and shell not in volumes
    ec2.detach_volume(VolumeId=shell, InstanceId=instance)
    ec2.get_waiter("volume_available").wait(VolumeIds=[shell], WaiterConfig={"Delay": 1})
    ec2.delete_volume(VolumeId=shell)

    machine.apply("phase=target", refresh=False)
    machine.plan_is_empty()
    assert set(describe(ec2, instance)) == volumes
    ec2.start_instances(InstanceIds=[instance])
    machine.plan_is_empty()
    machine.terraform("apply", "-refresh-only", "-auto-approve", "-input=false")
    machine.plan_is_empty()

    for destroying in (["-destroy"], ["-var=launched=false", "-var=phase=detached"]):
        refused = machine.terraform("plan", "-input=false", *destroying, accept=(1,))
        assert "prevent_destroy" in refused.stderr


def describe(ec2: Any, instance: str) -> list[str]:
    """The volumes attached to an instance."""
    (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    return [one["Ebs"]["VolumeId"] for one in found["BlockDeviceMappings"]]
