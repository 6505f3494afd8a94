"""Ending instances for good."""

from __future__ import annotations

from collections.abc import Callable

from runner.aws.account import Account, aws_errors
from runner.aws.instances import find_instance
from runner.aws.waiting import wait_for
from schemas.naming import TAG_REPLICATION

_END_SECONDS = 900.0  # EC2 ends an instance within minutes, a large Windows guest more slowly
_ENDING = ("pending", "running", "stopping", "stopped", "shutting-down")


def end_instances(account: Account, replication: str, stop: Callable[[], bool]) -> list[str]:
    """Terminate every instance that carries our tag of a replication, and wait until it is; their ids.

    One that another process terminated is waited for, too: until it is gone it holds its volumes and groups.
    """
    with aws_errors("ec2:DescribeInstances"):
        pages = account.ec2.get_paginator("describe_instances").paginate(
            Filters=[
                {"Name": f"tag:{TAG_REPLICATION}", "Values": [replication]},
                {"Name": "instance-state-name", "Values": list(_ENDING)},
            ]
        )
        found = [raw["InstanceId"] for page in pages for r in page["Reservations"] for raw in r["Instances"]]
    if found:
        with aws_errors("ec2:TerminateInstances"):
            account.ec2.terminate_instances(InstanceIds=found)
    for instance_id in found:
        _wait_gone(account, instance_id, stop)
    return found


def _wait_gone(account: Account, instance_id: str, stop: Callable[[], bool]) -> None:
    def look() -> tuple[bool | None, str]:
        now = find_instance(account, instance_id)
        return (True if now is None else None), "terminated" if now is None else now.state

    wait_for(look, f"{instance_id} to be terminated", seconds=_END_SECONDS, stop=stop)
