"""Whether an instance was started since it got its root volume: only then can it have written to its volumes."""

from __future__ import annotations

from dataclasses import dataclass

from runner.aws.account import Account, aws_errors

_GONE = ("terminated", "shutting-down")


@dataclass(frozen=True)
class Launch:
    """An instance's state, the volumes it has, and whether it was started with them.

    EC2 tells the last start (`LaunchTime`) and when each volume was attached (`AttachTime`). The destination's shell
    ran before it got the replica's volumes, so that a launch alone says nothing.
    """

    instance_id: str
    state: str
    volumes: frozenset[str]
    with_volumes: bool


def find_launch(account: Account, instance_id: str) -> Launch | None:
    """How an instance stands, or None where it is gone."""
    if not instance_id:
        return None
    with aws_errors("ec2:DescribeInstances"):
        answer = account.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])
    found = [raw for reservation in answer["Reservations"] for raw in reservation["Instances"]]
    if not found or found[0]["State"]["Name"] in _GONE:
        return None
    raw = found[0]
    mapped = [m["Ebs"] for m in raw.get("BlockDeviceMappings", []) if m.get("Ebs")]
    first = min((ebs["AttachTime"] for ebs in mapped if ebs.get("AttachTime")), default=None)
    state = raw["State"]["Name"]
    ran = first is not None and raw["LaunchTime"] > first
    return Launch(
        instance_id=instance_id,
        state=state,
        volumes=frozenset(ebs["VolumeId"] for ebs in mapped),
        with_volumes=bool(mapped) and (ran or state != "stopped"),
    )
