"""Drills: the verdict, what a copy is made of, that the replica is not touched, and that nothing of a drill stays.

What is left is what the lab lists, whatever the drill says of itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Ended, Lab, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import injected

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]

DRILL = """drill:
  instance_type: t3.medium
  checks:
    - {ssm: "true", seconds: 10}
    - {console: "login:", seconds: 1}
    - {tcp: 22, seconds: 1}
"""


def _made(address: str) -> Fate:
    return Fate("terraform", "note", f"{address}: Creation complete")


# Where a drill dies: at its beginning, with resources that no state knows, in each of its phases, and going down.
POINTS = [
    Fate("drill preflight", "started"),
    _made("aws_ebs_volume.disk_data"),
    Fate("drill inject", writes=2),
    Fate("terraform", "note", "aws_instance.destination[0]: Still creating"),
    Fate("root swap", "note", "is detached"),
    Fate("drill checks", "note", "status both"),
    Fate("drill down", "note", "is terminated"),
    Fate("terraform", "note", "aws_ebs_volume.disk_data: Destruction complete"),
    *(
        pytest.param(point, marks=pytest.mark.slow)
        for point in (
            _made("aws_security_group_rule.drill_port_22"),
            Fate("drill staging", "finished"),
            Fate("drill detached", "finished"),
            Fate("drill root swap", "finished"),
            _made("aws_volume_attachment.target_disk_data[0]"),
            Fate("drill down", "started"),
            Fate("drill down", "finished"),
        )
    ),
]


@dataclass
class Drilled:
    """A replicated machine, and the account as it was before any drill."""

    machine: Replication
    ec2: EC2Client
    before: dict[str, Any]

    def drill(self, *words: str, fate: Fate | None = None) -> Ended:
        return self.machine.run(["drill", str(self.machine.spec), *words], fate)

    def verdict(self) -> dict[str, Any]:
        return dict(json.loads((self.machine.home / "work" / "drill.json").read_text()))

    def slots(self) -> list[dict[str, Any]]:
        """What is given out on the access nodes."""
        return [json.loads(file.read_text()) for file in (self.machine.machine_home / "nodes").glob("*.json")]

    def home(self) -> bool:
        return (self.machine.home / "drill").exists()


def account_of(ec2: EC2Client) -> dict[str, Any]:
    """Everything that a drill could make or change, as EC2 lists it."""
    instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    return {
        "volumes": {v["VolumeId"]: (v["State"], str(v["Attachments"])) for v in ec2.describe_volumes()["Volumes"]},
        "instances": {
            i["InstanceId"]: (i["State"]["Name"], str(i["BlockDeviceMappings"]))
            for i in instances
            if i["State"]["Name"] != "terminated"
        },
        "snapshots": {s["SnapshotId"]: s["State"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]},
        "groups": {g["GroupId"]: str(g["IpPermissions"]) for g in ec2.describe_security_groups()["SecurityGroups"]},
    }


@pytest.fixture(scope="module")
def drilled(replication: Callable[[str], Replication], ec2: EC2Client) -> Drilled:
    machine = replication("drilled")
    machine.spec.write_text(machine.spec.read_text() + DRILL)
    ended = machine.replicate()
    assert ended.status == 0, ended.said
    return Drilled(machine, ec2, account_of(ec2))


@pytest.fixture
def replica_untouched(drilled: Drilled, lab: Lab) -> Iterator[None]:
    """Before and after: the replica's volumes hold what they held, its snapshots the source."""
    yield
    for disk in DISKS:
        source = drilled.machine.source(disk).read_bytes()
        assert_holds(drilled.machine.volume_file(disk), injected(source))
        record = next(d for d in drilled.machine.manifest()["disks"] if d["id"] == disk)
        assert_holds(lab.info.layout.snapshot(record["integrity_snapshot_id"]), source)


def test_no_replication_no_drill(replication: Callable[[str], Replication]) -> None:
    young = replication("young")
    ended = young.run(["drill", str(young.spec)])
    assert ended.status == 3 and "young has no finished generation to drill" in ended.said, ended.said


@pytest.mark.usefixtures("replica_untouched")
def test_a_drill_gives_a_verdict_and_leaves_nothing(drilled: Drilled) -> None:
    ended = drilled.drill()
    assert ended.status == 1, ended.said  # a lab without boots shows no console
    verdict = drilled.verdict()
    told = [(c["kind"], c["passed"]) for c in verdict["checks"]]
    # Who answers at an address of the lab's network depends on the machine that the test runs on.
    assert told[:3] == [("status", True), ("ssm", True), ("console", False)] and told[3][0] == "tcp"
    assert (verdict["verdict"], verdict["generation"], verdict["kept"]) == ("failed", 1, False)
    assert "not on the console" in verdict["reason"]
    assert account_of(drilled.ec2) == drilled.before
    assert not drilled.home()


@pytest.mark.usefixtures("replica_untouched")
def test_what_is_kept_is_a_copy_apart(drilled: Drilled, lab: Lab) -> None:
    text = drilled.machine.spec.read_text()
    drilled.machine.spec.write_text(re.sub(r"    - \{(console|tcp).*\n", "", text))
    ended = drilled.drill("--keep")
    assert ended.status == 0, ended.said
    verdict = drilled.verdict()
    assert (verdict["verdict"], verdict["reason"], verdict["kept"]) == ("passed", "", True)

    (copy,) = drilled.ec2.describe_instances(InstanceIds=[verdict["instance_id"]])["Reservations"][0]["Instances"]
    tags = {tag["Key"]: tag["Value"] for tag in copy["Tags"]}
    assert tags["hotadd:drill"] == "drilled" and tags["hotadd:replication"] == "drilled/drill"
    assert tags["hotadd:expires"] == verdict["expires"] and copy["InstanceType"] == "t3.medium"
    (group,) = drilled.ec2.describe_security_groups(GroupIds=[g["GroupId"] for g in copy["SecurityGroups"]])[
        "SecurityGroups"
    ]
    # Nothing enters; TLS leaves for the VPC alone, because a check runs over SSM.
    assert group["IpPermissions"] == []
    assert [(p["FromPort"], p["ToPort"], p["IpProtocol"]) for p in group["IpPermissionsEgress"]] == [(443, 443, "tcp")]
    (vpc,) = drilled.ec2.describe_vpcs(VpcIds=[copy["VpcId"]])["Vpcs"]
    assert [r["CidrIp"] for p in group["IpPermissionsEgress"] for r in p["IpRanges"]] == [vpc["CidrBlock"]]
    mapped = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in copy["BlockDeviceMappings"]}
    for device, disk in {"/dev/xvda": "root", "xvdf": "data"}.items():
        assert_holds(lab.info.layout.volume(mapped[device]), injected(drilled.machine.source(disk).read_bytes()))

    again = drilled.drill()
    assert again.status == 3 and "A drill of drilled is up" in again.said, again.said
    spec = drilled.machine.spec.read_text()
    drilled.machine.spec.write_text(spec + "decommission: true\n")
    refused = drilled.machine.run(["decommission", str(drilled.machine.spec), "--yes"])
    assert refused.status == 3 and "A drill of drilled is up" in refused.said, refused.said
    drilled.machine.spec.write_text(spec)
    status = drilled.drill("--status")
    assert verdict["instance_id"] in status.said and "passed  ssm true" in status.said
    assert drilled.drill("--down").status == 0
    assert account_of(drilled.ec2) == drilled.before and not drilled.home()
    assert "No drill of drilled is up" in drilled.drill("--status").said
    drilled.machine.spec.write_text(text)


def _id(fate: Fate) -> str:
    where = f"write {fate.writes}" if fate.writes else " ".join(part for part in (fate.status, fate.message) if part)
    return f"{fate.step}: {where}"


@pytest.mark.parametrize("fate", POINTS, ids=_id)
def test_killed_anywhere_it_is_taken_down(drilled: Drilled, fate: Fate) -> None:
    ended = drilled.drill(fate=fate)
    assert ended.killed, f"it ended with {ended.status}:\n{ended.said}"
    down = drilled.drill("--down")
    assert down.status == 0, down.said
    assert account_of(drilled.ec2) == drilled.before
    assert not drilled.home()
    assert drilled.slots() == [{}]


def test_ctrl_c_takes_it_down_without_a_verdict(drilled: Drilled) -> None:
    last = drilled.machine.home / "work" / "drill.json"
    before = last.read_bytes() if last.exists() else b""
    ended = drilled.drill(fate=Fate("drill checks", "note", "status both", signal="SIGINT"))
    assert ended.status == 1 and "Stopped on request" in ended.said, ended.said
    assert account_of(drilled.ec2) == drilled.before and not drilled.home()
    assert (last.read_bytes() if last.exists() else b"") == before


@pytest.mark.parametrize("damaged", ["terraform.tfstate", "work/request.json"])
def test_what_no_record_tells_goes_by_its_tags(drilled: Drilled, damaged: str) -> None:
    up = drilled.drill("--up")
    assert up.status == 0, up.said
    (drilled.machine.home / "drill" / damaged).write_text("{")
    down = drilled.drill("--down")
    assert down.status == 0, down.said
    assert account_of(drilled.ec2) == drilled.before
    assert not drilled.home()
    assert drilled.slots() == [{}]
