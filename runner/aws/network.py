"""Networks and security groups, as far as a drill needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.aws.account import Account, CallFailed, aws_errors
from runner.aws.waiting import wait_for
from schemas.errors import Refused
from schemas.naming import TAG_REPLICATION

# A terminated instance's interface lets go of its groups within seconds, "up to a few minutes" when EC2 is busy.
_RELEASE_SECONDS = 300.0


class SubnetGone(Refused):
    """There is no such subnet."""

    def __init__(self, subnet_id: str) -> None:
        super().__init__(f"The subnet {subnet_id} does not exist.", "Correct it in the spec.")
        self.subnet_id = subnet_id


@dataclass(frozen=True)
class Network:
    """A VPC and its address blocks."""

    vpc_id: str
    cidrs: tuple[str, ...]


def network_of(account: Account, subnet_id: str) -> Network:
    """The VPC a subnet is in. Raises `SubnetGone`."""
    with aws_errors("ec2:DescribeSubnets"):
        subnets = account.ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["Subnets"]
    if not subnets:
        raise SubnetGone(subnet_id)
    vpc_id = subnets[0]["VpcId"]
    with aws_errors("ec2:DescribeVpcs"):
        vpc = account.ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Vpcs"][0]
    blocks = [block["CidrBlock"] for block in vpc.get("CidrBlockAssociationSet", []) if "CidrBlock" in block]
    return Network(vpc_id, tuple(dict.fromkeys([vpc["CidrBlock"], *blocks])))


def find_groups(account: Account, replication: str) -> list[str]:
    """The ids of the security groups that carry our tag of that replication."""
    with aws_errors("ec2:DescribeSecurityGroups"):
        pages = account.ec2.get_paginator("describe_security_groups").paginate(
            Filters=[{"Name": f"tag:{TAG_REPLICATION}", "Values": [replication]}]
        )
        return sorted(group["GroupId"] for page in pages for group in page["SecurityGroups"])


def delete_group(account: Account, group_id: str, stop: Callable[[], bool]) -> None:
    """Delete a security group with its rules, once no interface has it any more; one that is gone is no error."""

    def look() -> tuple[bool | None, str]:
        try:
            with aws_errors("ec2:DeleteSecurityGroup"):
                account.ec2.delete_security_group(GroupId=group_id)
        except CallFailed as error:
            if error.code == "DependencyViolation":
                return None, "in use"
            if error.code != "InvalidGroup.NotFound":
                raise
        return True, "deleted"

    wait_for(look, f"{group_id} to be in nobody's use", seconds=_RELEASE_SECONDS, stop=stop)
