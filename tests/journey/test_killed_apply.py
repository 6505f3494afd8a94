"""Killed in the middle of a real apply, with the state in S3: the lock, the volumes and the instance it leaves.

Then read back and removed for good: the full journey that the access node's role must allow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from runner.aws.instances import console
from runner.cli.job import open_job
from runner.lab import account
from runner.lab.record import LabInfo
from runner.phases.proof import SnapshotDiffers, prove_snapshots
from stacks.policy import ACTIONS, IMPLIED
from tests.journey.conftest import effects, hotadd, read_calls
from tests.runner.guest import small_guest

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.xdist_group("killed-apply"),
]

BUCKET = "acme-hotadd"
PREFIX = "replicas/prod"


@dataclass(frozen=True)
class Bucketed:
    """A replication whose state and manifests are in the lab's S3."""

    info: LabInfo
    spec: Path
    env: dict[str, str]

    @property
    def replicate(self) -> list[str]:
        """Held to the plan that was saved before the first apply, from kill to kill."""
        return [sys.executable, "-m", "runner.cli", "replicate", str(self.spec), "--plan", str(self.plan)]

    @property
    def plan(self) -> Path:
        return self.info.directory / "plan.json"

    def begin(self) -> subprocess.Popen[bytes]:
        log = (self.info.directory / "run.log").open("ab")
        return subprocess.Popen(self.replicate, env=self.env, stdout=log, stderr=log)

    def kill_after(self, action: str, times: int) -> None:
        """Run `replicate` and kill it once the lab has answered `action` that often."""
        runner = self.begin()
        patience = time.monotonic() + 900
        while effects(read_calls(self.info.directory))[action] < times:
            assert runner.poll() is None, (self.info.directory / "run.log").read_text()
            assert time.monotonic() < patience
            time.sleep(0.02)
        runner.send_signal(signal.SIGKILL)
        assert runner.wait() == -signal.SIGKILL

    def objects(self) -> set[str]:
        listed = boto3.client("s3", endpoint_url=self.info.endpoint, **self.login()).list_objects_v2(Bucket=BUCKET)
        return {entry["Key"].removeprefix(f"{PREFIX}/small/") for entry in listed.get("Contents", [])}

    def login(self) -> dict[str, str]:
        return {
            "aws_access_key_id": account.ACCESS_KEY,
            "aws_secret_access_key": account.SECRET_KEY,
            "region_name": self.info.region,
        }

    def volumes(self) -> list[str]:
        """The volumes of the account, without the access node's own root."""
        ec2 = boto3.client("ec2", endpoint_url=self.info.endpoint, **self.login())
        node = self.info.access_node_id
        found = ec2.describe_volumes()["Volumes"]
        return [
            v["VolumeId"]
            for v in found
            if not any(a["InstanceId"] == node and a["Device"] == "/dev/xvda" for a in v["Attachments"])
        ]

    def instances(self) -> list[str]:
        ec2 = boto3.client("ec2", endpoint_url=self.info.endpoint, **self.login())
        found = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        living = [i["InstanceId"] for i in found if i["State"]["Name"] != "terminated"]
        return [i for i in living if i != self.info.access_node_id]


@pytest.fixture(scope="module")
def bucketed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucketed]:
    place = tmp_path_factory.mktemp("killed") / "lab"
    info = account.up(place, boot=False)
    try:
        root, data = small_guest.build(place / "guest")
        spec = place / "small.yaml"
        disks = [
            {"id": "root", "path": str(root), "size_gib": 1, "boot": True},
            {"id": "data", "path": str(data), "size_gib": 1},
        ]
        document = {
            "version": 1,
            "name": "small",
            "region": info.region,
            "availability_zone": info.availability_zone,
            "source": {"disks": disks},
            "network": "dhcp",
            "access_node": {"instance_id": info.access_node_id},
            "destination": {
                "instance_type": "m5.large",
                "shell_ami": info.amis["linux"],
                "subnet_id": info.subnet_id,
            },
            "backend": {"s3": {"bucket": BUCKET, "prefix": PREFIX, "region": info.region}},
        }
        spec.write_text(json.dumps(document), encoding="utf-8")
        env = {**os.environ, **account.environment(place), "HOTADD_HOME": str(place / "home")}
        made = Bucketed(info, spec, env)
        s3 = boto3.client("s3", endpoint_url=info.endpoint, **made.login())
        if info.region == "us-east-1":
            s3.create_bucket(Bucket=BUCKET)
        else:
            s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": info.region})
        yield made
    finally:
        account.down(place)


def test_killed_twice_in_an_apply_and_finished(bucketed: Bucketed) -> None:
    """Every apply of real Terraform is the one that was predicted, or the run would be refused."""
    words = [sys.executable, "-m", "runner.cli", "plan", str(bucketed.spec), "-o", str(bucketed.plan)]
    planned = subprocess.run(words, env=bucketed.env, capture_output=True, text=True, timeout=120)
    assert planned.returncode == 2, planned.stderr
    bucketed.kill_after("CreateVolume", 2)
    assert "terraform.tfstate.tflock" in bucketed.objects(), "the dead run left its lock"
    bucketed.kill_after("RunInstances", 1)
    done = subprocess.run(bucketed.replicate, env=bucketed.env, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "terraform.tfstate.tflock" not in bucketed.objects()
    assert len(bucketed.volumes()) == 2
    assert len(bucketed.instances()) == 1
    counted = effects(read_calls(bucketed.info.directory))
    assert (counted["CreateSnapshot"], counted["RunInstances"], counted["StartInstances"]) == (2, 1, 1)
    # Each volume made and lost by the state is either brought into it or deleted as a blank duplicate.
    assert counted["CreateVolume"] - (counted["DeleteVolume"] - 1) == 2


def test_manifests_are_in_the_bucket(bucketed: Bucketed) -> None:
    s3 = boto3.client("s3", endpoint_url=bucketed.info.endpoint, **bucketed.login())
    body = s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/small/manifest/generation-0001.json")["Body"].read()
    manifest = json.loads(body)
    assert manifest["status"] == "finished"
    for disk in manifest["disks"]:
        assert f"manifest/generation-0001/{disk['id']}.{disk['copy']}.digests.gz" in bucketed.objects()


def test_snapshots_read_back_through_ebs_equal_the_source(bucketed: Bucketed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in account.environment(bucketed.info.directory).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOTADD_HOME", bucketed.env["HOTADD_HOME"])
    with open_job(bucketed.spec, lambda event: None) as job:
        manifest = job.manifests.latest()
        assert manifest is not None
        assert prove_snapshots(job, manifest) == 2 << 30
        assert console(job.account, manifest.instance_id) == ""  # a lab that boots nothing
        source = bytearray(Path(job.spec.source.disks[0].path).read_bytes())
        Path(job.spec.source.disks[0].path).write_bytes(source[:100] + bytes([source[100] ^ 1]) + source[101:])
        with pytest.raises(SnapshotDiffers, match="at byte 0"):
            prove_snapshots(job, manifest)
        Path(job.spec.source.disks[0].path).write_bytes(source)


def test_a_drill_of_it_gives_a_verdict_and_leaves_nothing(bucketed: Bucketed) -> None:
    before = (sorted(bucketed.volumes()), bucketed.instances(), bucketed.objects())
    document = json.loads(bucketed.spec.read_text())
    # Who answers at the port depends on this machine; that it is opened, on nothing.
    checks = [{"ssm": "uptime", "seconds": 30}, {"tcp": 22, "seconds": 1}]
    bucketed.spec.write_text(json.dumps({**document, "drill": {"instance_type": "t3.medium", "checks": checks}}))
    words = [sys.executable, "-m", "runner.cli", "drill", str(bucketed.spec)]
    done = subprocess.run(words, env=bucketed.env, capture_output=True, text=True, timeout=1500)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    home = Path(bucketed.env["HOTADD_HOME"]) / "replications" / "small"
    verdict = json.loads((home / "work" / "drill.json").read_text())
    assert [(c["kind"], c["passed"]) for c in verdict["checks"]][:2] == [("status", True), ("ssm", True)], verdict
    assert (sorted(bucketed.volumes()), bucketed.instances(), bucketed.objects()) == before
    ec2 = boto3.client("ec2", endpoint_url=bucketed.info.endpoint, **bucketed.login())
    of_drills = [{"Name": "tag-key", "Values": ["hotadd:drill"]}]
    assert ec2.describe_security_groups(Filters=of_drills)["SecurityGroups"] == []


def test_a_removal_shows_its_plan_first_and_leaves_nothing(bucketed: Bucketed) -> None:
    refused = hotadd(["decommission", str(bucketed.spec), "--yes"], bucketed.info.directory)
    assert refused.returncode == 3
    document = json.loads(bucketed.spec.read_text())
    bucketed.spec.write_text(json.dumps({**document, "decommission": True}))
    words = [sys.executable, "-m", "runner.cli", "decommission", str(bucketed.spec)]
    shown = subprocess.run(words, env=bucketed.env, capture_output=True, text=True, timeout=600)
    assert shown.returncode == 2, shown.stderr
    assert "- aws_instance.destination[0]" in shown.stdout
    assert len(bucketed.volumes()) == 2
    done = subprocess.run([*words, "--yes"], env=bucketed.env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bucketed.volumes() == bucketed.instances() == []
    ec2 = boto3.client("ec2", endpoint_url=bucketed.info.endpoint, **bucketed.login())
    tagged = [{"Name": "tag-key", "Values": ["hotadd:replication"]}]
    assert ec2.describe_snapshots(OwnerIds=["self"], Filters=tagged)["Snapshots"] == []
    assert bucketed.objects() == set()


# Allowed and not called here, each with what calls it.
NOT_CALLED = {
    "ec2:DescribeAccountAttributes": "AWS provider 3.39, when it starts",
    "ec2:DescribeInstanceCreditSpecifications": "a destination of a burstable type (t3, t4g)",
    "ec2:DescribeVolumesModifications": "the provider, after ModifyVolume",
    "ec2:ModifyVolume": "a disk that grew, or another volume type in the spec",
    "ec2:ModifyInstanceAttribute": "another instance type or security group in the spec",
    "ec2:DeleteTags": "a tag that left the spec",
    "ebs:ListChangedBlocks": "incremental replication and drift",
    "iam:GetInstanceProfile": "a destination with an instance profile",
    "ec2:DescribeSecurityGroupRules": "AWS provider 4 and newer",
}
_S3 = {"ListObjectsV2": "s3:ListBucket", "HeadObject": "s3:GetObject", "HeadBucket": "s3:ListBucket"}


def test_the_role_allows_exactly_what_was_called(bucketed: Bucketed) -> None:
    """Both ways: every call the lab saw is allowed, and everything allowed was called (or is told why not)."""
    setting_up = {"s3:CreateBucket"}  # the test's own
    called = set()
    for call in read_calls(bucketed.info.directory):
        plain = f"{call['service']}:{call['action']}"
        called.add(_S3.get(call["action"], plain) if call["service"] == "s3" else plain)
    assert called - setting_up - set(ACTIONS) == set()
    assert set(ACTIONS) - set(IMPLIED) - called == set(NOT_CALLED) - called
