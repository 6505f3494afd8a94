"""What AWS does on a bad day, one thing after another to one replication; it is the same command each time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Ended, Lab, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import injected

pytestmark = [pytest.mark.lab, pytest.mark.process]

# Neither the environment nor a file of this machine has credentials.
NOBODY = {
    "AWS_ACCESS_KEY_ID": "",
    "AWS_SECRET_ACCESS_KEY": "",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_CONFIG_FILE": "/nonexistent",
}


@pytest.fixture(scope="module")
def unlucky(replication: Callable[[str], Replication]) -> Replication:
    return replication("unlucky")


@pytest.fixture
def fault(lab: Lab) -> Iterator[Callable[..., None]]:
    """`fault(action=..., ...)`: one more fault in the lab, for this test."""

    def add(**fields: object) -> None:
        lab.control("POST", "faults", fields)

    yield add
    lab.control("DELETE", "faults")


def _assert_refused(ended: Ended, sentence: str) -> None:
    assert ended.status == 3, ended.said
    assert sentence in ended.said and "\nhint: " in ended.said and "Traceback" not in ended.said


def _status(made: Replication) -> str:
    return made.run(["status", str(made.spec)]).said


def test_no_credentials(unlucky: Replication) -> None:
    _assert_refused(unlucky.replicate(**NOBODY), "There are no AWS credentials.")
    assert not unlucky.effects()


def test_an_expired_token(unlucky: Replication, fault: Callable[..., None]) -> None:
    fault(service="sts", action="GetCallerIdentity", error_code="ExpiredToken", times=0)
    _assert_refused(unlucky.replicate(), "The AWS credentials have expired (ExpiredToken).")
    assert not unlucky.effects()


def test_an_apply_that_fails_for_good_is_told_and_kept_for_status(
    unlucky: Replication, fault: Callable[..., None]
) -> None:
    fault(service="ec2", action="AttachVolume", error_code="UnauthorizedOperation", times=0)
    ended = unlucky.replicate()
    assert ended.status == 1 and "terraform apply failed" in ended.said and "AttachVolume" in ended.said, ended.said
    assert unlucky.effects() == {"CreateVolume": len(DISKS)}
    told = _status(unlucky)
    assert "unlucky: failed in apply staging" in told and "AttachVolume" in told


def test_ctrl_c_stops_after_the_current_block(unlucky: Replication) -> None:
    ended = unlucky.replicate(Fate("restore", writes=3, signal="SIGINT"))
    assert ended.status == 1, ended.said
    assert "stopping after the current block" in ended.said
    # Stopped within it: of each disk's 24 MiB at most a few requests of 2 MiB were written.
    last = unlucky.events()[-1]
    assert (last.step, last.status) == ("restore", "failed")
    done = [int(n) for n in re.findall(r"(\d+) of \d+ bytes", last.message or "")]
    assert not done or done[0] < 64 << 20
    assert "failed in restore" in _status(unlucky)


def test_a_refusal_for_good_is_told_and_kept_for_status(unlucky: Replication, fault: Callable[..., None]) -> None:
    fault(service="ec2", action="CreateSnapshot", error_code="UnauthorizedOperation", times=0)
    ended = unlucky.replicate()
    assert ended.status == 1 and "AWS denied ec2:CreateSnapshot" in ended.said, ended.said
    told = _status(unlucky)
    assert "unlucky: failed in snapshot" in told
    assert "AWS denied ec2:CreateSnapshot" in told and "the same command goes on from this step" in told
    calls = [c for c in unlucky.lab.calls()[unlucky.since :] if c["action"] == "CreateSnapshot"]
    assert len(calls) == 1  # a refusal is no fault that passes: it is not tried again


def test_throttled_for_good_within_bounds(unlucky: Replication, fault: Callable[..., None]) -> None:
    fault(service="ec2", action="CreateSnapshot", error_code="RequestLimitExceeded", times=0)
    before = len(unlucky.lab.calls())
    ended = unlucky.replicate()
    assert ended.status == 1 and "AWS throttled ec2:CreateSnapshot" in ended.said, ended.said
    tries = [c for c in unlucky.lab.calls()[before:] if c["action"] == "CreateSnapshot"]
    assert 3 <= len(tries) <= 8


def test_throttled_for_a_while_and_a_snapshot_in_error(unlucky: Replication, fault: Callable[..., None]) -> None:
    for action in ("CreateSnapshot", "RunInstances", "AttachVolume", "StopInstances", "DescribeVolumes"):
        fault(service="ec2", action=action, error_code="RequestLimitExceeded", times=2)
    fault(service="ec2", action="DescribeInstances", error_code="InternalError", times=1)
    fault(service="ec2", action="CreateSnapshot", error_code="snapshot-error", times=1)
    ended = unlucky.replicate()
    assert ended.status == 0, ended.said


def test_afterwards_all_is_as_on_a_good_day(unlucky: Replication, lab: Lab) -> None:
    effects = unlucky.effects()
    # One snapshot ended in error: it was taken again, and removed.
    assert effects["CreateSnapshot"] == len(DISKS) + 1 and effects["DeleteSnapshot"] == 1
    assert (effects["CreateVolume"], effects["AttachVolume"], effects["RunInstances"]) == (len(DISKS), 4, 1)
    outputs, manifest = unlucky.outputs(), unlucky.manifest()
    assert unlucky.left() == {
        "volumes": set(outputs["volumes"].values()),
        "instances": {outputs["instance_id"]},
        "snapshots": {disk["integrity_snapshot_id"] for disk in manifest["disks"]},
    }
    for disk in manifest["disks"]:
        source = unlucky.source(disk["id"]).read_bytes()
        assert_holds(lab.info.layout.snapshot(disk["integrity_snapshot_id"]), source)
        assert_holds(lab.info.layout.volume(outputs["volumes"][disk["id"]]), injected(source))
    assert "unlucky: replicated" in _status(unlucky)
