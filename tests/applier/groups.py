"""Security groups and their rules, as Terraform's AWS provider makes, reads and removes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from runner.terraform.project import TerraformFailed

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Attributes = dict[str, Any]

# What the provider takes for a description ("description" of both resources): EC2's own rule, without an apostrophe.
_DESCRIPTION = re.compile(r"[0-9A-Za-z_ .:/()#,@\[\]+=&;{}!$*-]*")


def create_group(ec2: EC2Client, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    """Make a group. The provider then takes EC2's own rule away, by which everything may leave."""
    _check(wanted["description"])
    made = ec2.create_security_group(
        GroupName=wanted["name"],
        Description=wanted["description"],
        VpcId=wanted["vpc_id"],
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in wanted["tags"].items()]}
        ],
    )["GroupId"]
    tell("Still creating...")
    everything: Any = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything)
    found = read_group(ec2, {"id": made})
    assert found is not None
    return found


def read_group(ec2: EC2Client, known: Attributes) -> Attributes | None:
    """The group as it is; None when it is gone."""
    raw = _group(ec2, known["id"])
    if not raw:
        return None
    return {
        "id": raw["GroupId"],
        "name": raw["GroupName"],
        "description": raw["Description"],
        "vpc_id": raw["VpcId"],
        "tags": {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])},
    }


def create_rule(ec2: EC2Client, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    """Add a rule to its group."""
    _check(wanted["description"])
    call = ec2.authorize_security_group_ingress if wanted["type"] == "ingress" else ec2.authorize_security_group_egress
    call(GroupId=wanted["security_group_id"], IpPermissions=[_permission(wanted)])
    tell("Still creating...")
    return {"id": _rule_id(wanted), **wanted}


def read_rule(ec2: EC2Client, known: Attributes) -> Attributes | None:
    """The rule, if its group still has it."""
    group = _group(ec2, known["security_group_id"])
    have = group.get("IpPermissions" if known["type"] == "ingress" else "IpPermissionsEgress", []) if group else []
    wanted = set(known["cidr_blocks"])
    for one in have:
        ports = (one["IpProtocol"], one.get("FromPort"), one.get("ToPort"))
        if ports == (known["protocol"], known["from_port"], known["to_port"]):
            return dict(known) if wanted <= {block["CidrIp"] for block in one["IpRanges"]} else None
    return None


def destroy_group(ec2: EC2Client, kind: str, known: Mapping[str, Any]) -> None:
    """Remove a group, or a rule of one. What is gone is gone."""
    try:
        if kind == "aws_security_group":
            ec2.delete_security_group(GroupId=known["id"])
        elif known["type"] == "ingress":
            ec2.revoke_security_group_ingress(GroupId=known["security_group_id"], IpPermissions=[_permission(known)])
        else:
            ec2.revoke_security_group_egress(GroupId=known["security_group_id"], IpPermissions=[_permission(known)])
    except ClientError as error:
        if not error.response.get("Error", {}).get("Code", "").endswith(".NotFound"):
            raise


def _check(description: str) -> None:
    if not _DESCRIPTION.fullmatch(description):
        raise TerraformFailed("plan", [f'"description" doesn\'t comply with restrictions: "{description}"'])


def _permission(rule: Mapping[str, Any]) -> Any:
    ranges = [{"CidrIp": cidr, "Description": rule["description"]} for cidr in rule["cidr_blocks"]]
    ports = {"FromPort": rule["from_port"], "ToPort": rule["to_port"]}
    return {"IpProtocol": rule["protocol"], **ports, "IpRanges": ranges}


def _group(ec2: EC2Client, group_id: str) -> Any:
    found = ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": [group_id]}])["SecurityGroups"]
    return found[0] if found else None


def _rule_id(rule: Mapping[str, Any]) -> str:
    return f"sgrule-{rule['type']}-{rule['security_group_id']}-{rule['from_port']}"
