"""What an access node's role may do: exactly the actions that the runner and its Terraform call, as data.

Three policies, by what they serve: `control` (Terraform and its state), `data` (bytes: snapshots, EBS direct reads, the
root swap, manifests) and `removal` (drill and decommission). Whatever changes or reads something that exists is tied to
our tag on it; whatever creates is tied to our tag in the request. Sources: "Actions, resources, and condition keys" of
the Service Authorization Reference for EC2, EBS, S3, KMS and IAM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.naming import TAG_DRILL, TAG_NODE, TAG_REPLICATION, TAG_ROLE
from stacks.attributes import Expression

Condition = dict[str, dict[str, str | list[str]]]

_OURS: Condition = {"Null": {f"aws:ResourceTag/{TAG_REPLICATION}": "false"}}
_MADE_OURS: Condition = {"Null": {f"aws:RequestTag/{TAG_REPLICATION}": "false"}}
_NODE: Condition = {"Null": {f"aws:ResourceTag/{TAG_NODE}": "false"}}
_BECOMES_SHELL_ROOT: Condition = {
    "StringEquals": {f"aws:RequestTag/{TAG_ROLE}": "shell-root"},
    "Null": {f"aws:ResourceTag/{TAG_ROLE}": "true", "ec2:ParentSnapshot": "false"},
}
_DRILLED: Condition = {"Null": {f"aws:ResourceTag/{TAG_DRILL}": "false"}}
_SHELL_ROOT: Condition = {"StringEquals": {f"aws:ResourceTag/{TAG_ROLE}": "shell-root"}}
_TEMPORARY: Condition = {"StringEquals": {f"aws:ResourceTag/{TAG_ROLE}": "temporary"}}


@dataclass(frozen=True)
class Prefix:
    """An S3 prefix that holds state and manifests, and the KMS key they are encrypted with, if any (an ARN)."""

    bucket: str
    prefix: str
    region: str
    kms_key: str | None = None


@dataclass(frozen=True)
class Scope:
    """What the replications that share an access node need it to reach. `volume_keys` are ARNs of KMS keys."""

    region: str
    prefixes: tuple[Prefix, ...] = ()
    volume_keys: tuple[str, ...] = ()
    wheel: str = ""  # s3://bucket/key of the wheel that the node installs, or empty
    commands: bool = False  # whether drills run commands over SSM
    sources: tuple[str, ...] = ()  # bucket/key of each disk that lies in S3

    @property
    def partition(self) -> str:
        """The ARN partition of the region."""
        if self.region.startswith("us-gov-"):
            return "aws-us-gov"
        return "aws-cn" if self.region.startswith("cn-") else "aws"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy. `resources` are ARNs without ``arn:<partition>:`` or ``*``."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Condition = field(default_factory=dict)


_VOLUME, _SNAPSHOT, _INSTANCE = "ec2:*:*:volume/*", "ec2:*::snapshot/*", "ec2:*:*:instance/*"
_GROUP, _VPC = "ec2:*:*:security-group/*", "ec2:*:*:vpc/*"
# What RunInstances merely uses: an instance of our own tagging may lie in any subnet, and take any image and key.
_LAUNCHED_WITH = tuple(
    f"ec2:*:*:{kind}/*" for kind in ("network-interface", "subnet", "security-group", "key-pair")
) + ("ec2:*::image/*",)

# EC2 has no resource-level permissions for Describe calls.
DESCRIBE = (
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceCreditSpecifications",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:DescribeVolumesModifications",
    "ec2:DescribeVpcs",
    "iam:GetInstanceProfile",
    "sts:GetCallerIdentity",
)

CONTROL = (
    Statement("Look", DESCRIBE),
    Statement("CreateOurVolumes", ("ec2:CreateVolume",), (_VOLUME,), _MADE_OURS),
    Statement("CopyOurSnapshots", ("ec2:CreateVolume",), (_SNAPSHOT,), _OURS),
    Statement("ChangeOurVolumes", ("ec2:ModifyVolume",), (_VOLUME,), _OURS),
    Statement("MoveOurVolumes", ("ec2:AttachVolume", "ec2:DetachVolume"), (_VOLUME, _INSTANCE), _OURS),
    Statement("MoveThemHere", ("ec2:AttachVolume", "ec2:DetachVolume"), (_INSTANCE,), _NODE),
    Statement("LaunchOurs", ("ec2:RunInstances",), (_INSTANCE, _VOLUME), _MADE_OURS),
    Statement("LaunchWith", ("ec2:RunInstances",), _LAUNCHED_WITH),
    Statement("ChangeOurInstances", ("ec2:ModifyInstanceAttribute",), (_INSTANCE,), _OURS),
    Statement("IsolateDrills", ("ec2:CreateSecurityGroup",), (_GROUP,), _MADE_OURS),
    Statement("IsolateWithin", ("ec2:CreateSecurityGroup",), (_VPC,)),
    Statement(
        "ChangeOurGroups",
        (
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ),
        (_GROUP,),
        _OURS,
    ),
    Statement(
        "TagWhatWeCreate",
        ("ec2:CreateTags",),
        (_VOLUME, _SNAPSHOT, _INSTANCE, _GROUP),
        {
            "StringEquals": {
                "ec2:CreateAction": ["CreateVolume", "CreateSnapshot", "RunInstances", "CreateSecurityGroup"]
            }
        },
    ),
    # The provider tags the shell's root by a call of its own, once the instance runs. The role could mark any untagged
    # volume made from a snapshot so, and then delete it: docs/limits.md tells. Only these marks, only where none is.
    Statement("MarkShellRoots", ("ec2:CreateTags",), (_VOLUME,), _BECOMES_SHELL_ROOT),
    Statement("TagOurs", ("ec2:CreateTags", "ec2:DeleteTags"), (_VOLUME, _SNAPSHOT, _INSTANCE), _OURS),
)

DATA = (
    Statement("SnapshotOurVolumes", ("ec2:CreateSnapshot",), (_VOLUME,), _OURS),
    Statement("MakeOurSnapshots", ("ec2:CreateSnapshot",), (_SNAPSHOT,), _MADE_OURS),
    Statement("PruneOurSnapshots", ("ec2:DeleteSnapshot",), (_SNAPSHOT,), _OURS),
    Statement(
        "ReadOurSnapshots",
        ("ebs:GetSnapshotBlock", "ebs:ListChangedBlocks", "ebs:ListSnapshotBlocks"),
        (_SNAPSHOT,),
        _OURS,
    ),
    Statement(
        "RunOurInstances",
        ("ec2:GetConsoleOutput", "ec2:StartInstances", "ec2:StopInstances"),
        (_INSTANCE,),
        _OURS,
    ),
    Statement("DeleteShellRoots", ("ec2:DeleteVolume",), (_VOLUME,), _SHELL_ROOT),
    # What `hotadd drift --files` looks at.
    Statement("DeleteTemporaries", ("ec2:DeleteVolume",), (_VOLUME,), _TEMPORARY),
)

REMOVAL = (
    Statement("RemoveOurVolumes", ("ec2:DeleteVolume",), (_VOLUME,), _OURS),
    Statement("RemoveOurInstances", ("ec2:TerminateInstances",), (_INSTANCE,), _OURS),
    Statement("RemoveOurGroups", ("ec2:DeleteSecurityGroup",), (_GROUP,), _OURS),
)

# For drills with checks over SSM, on their copies alone. GetCommandInvocation knows no resources.
_DOCUMENTS = tuple(f"ssm:*::document/AWS-Run{kind}Script" for kind in ("Shell", "PowerShell"))
COMMANDS = (
    Statement("CommandDrills", ("ssm:SendCommand",), (_INSTANCE,), _DRILLED),
    Statement("CommandBy", ("ssm:SendCommand",), _DOCUMENTS),
    Statement("ReadCommands", ("ssm:GetCommandInvocation",)),
)

STATE_LIST, STATE_OBJECTS = ("s3:ListBucket",), ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
SOURCE_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")
VOLUME_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
STATE_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
GRANT, PASS_ROLE = ("kms:CreateGrant",), ("iam:PassRole",)

ACTIONS: frozenset[str] = frozenset(
    action
    for actions in (
        *(statement.actions for statement in (*CONTROL, *DATA, *REMOVAL, *COMMANDS)),
        *(STATE_LIST, STATE_OBJECTS, SOURCE_OBJECTS, VOLUME_KEY, STATE_KEY, GRANT, PASS_ROLE),
    )
    for action in actions
)
"""Every action that some access node is allowed."""

IMPLIED: frozenset[str] = frozenset(
    {*VOLUME_KEY, *STATE_KEY, *GRANT, *PASS_ROLE, "ec2:CreateTags", "s3:ListBucket", "s3:GetObjectVersion"}
)
"""Actions that AWS checks as part of other calls: no journal of calls needs to show them."""


def control(scope: Scope) -> str:
    """The policy (JSON) of all that Terraform and its state need."""
    return _document(scope, [*CONTROL, *_keys(scope)])


def data(scope: Scope) -> str:
    """The policy (JSON) of all that snapshots, the root swap, state and manifests need."""
    commands = COMMANDS if scope.commands else ()
    return _document(scope, [*DATA, *commands, *_prefixes(scope), *_sources(scope), *_wheel(scope)])


def removal(scope: Scope) -> str:
    """The policy (JSON) of drill and decommission: only what carries our tag."""
    return _document(scope, REMOVAL)


def pass_roles(role_arns: Sequence[Expression]) -> Expression:
    """The policy of passing the destinations' roles to EC2. Their ARNs are known to Terraform only."""
    arns = ", ".join(arn.text for arn in role_arns)
    allowed = f'"Effect": "Allow", "Action": {json.dumps(PASS_ROLE)}, "Resource": [{arns}]'
    only_ec2 = '"Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}'
    return Expression(f'jsonencode({{"Version": "2012-10-17", "Statement": [{{{allowed}, {only_ec2}}}]}})')


def trust() -> str:
    """Who may take the role: EC2, for the access node."""
    principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    return json.dumps({"Version": "2012-10-17", "Statement": [principal]}, sort_keys=True)


def _keys(scope: Scope) -> list[Statement]:
    if not scope.volume_keys:
        return []
    keys = scope.volume_keys
    # EBS direct reads of encrypted snapshots come through the ebs service, everything else through ec2.
    services = [f"{service}.{scope.region}.amazonaws.com" for service in ("ec2", "ebs")]
    by_ec2: Condition = {"StringEquals": {"kms:ViaService": services}}
    grants: Condition = {**by_ec2, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [Statement("UseVolumeKeys", VOLUME_KEY, keys, by_ec2), Statement("GrantVolumeKeys", GRANT, keys, grants)]


def _prefixes(scope: Scope) -> list[Statement]:
    statements = []
    for at, place in enumerate(scope.prefixes):
        only: Condition = {"StringLike": {"s3:prefix": [f"{place.prefix}/*"]}}
        statements.append(Statement(f"ListState{at}", STATE_LIST, (f"s3:::{place.bucket}",), only))
        objects = (f"s3:::{place.bucket}/{place.prefix}/*",)
        statements.append(Statement(f"KeepState{at}", STATE_OBJECTS, objects))
        if place.kms_key is not None:
            by_s3: Condition = {"StringEquals": {"kms:ViaService": f"s3.{place.region}.amazonaws.com"}}
            statements.append(Statement(f"UseStateKey{at}", STATE_KEY, (place.kms_key,), by_s3))
    return statements


def _sources(scope: Scope) -> list[Statement]:
    """Reading the disks that lie in S3. What IAM or Terraform would read as a pattern stands for any one character."""
    if not scope.sources:
        return []
    plain = (re.sub(r"[*?${}]", "?", source) for source in scope.sources)
    return [Statement("ReadSources", SOURCE_OBJECTS, tuple(f"s3:::{source}" for source in plain))]


def _wheel(scope: Scope) -> list[Statement]:
    if not scope.wheel.startswith("s3://"):
        return []
    return [Statement("InstallHotadd", ("s3:GetObject",), (f"s3:::{scope.wheel.removeprefix('s3://')}",))]


def _document(scope: Scope, statements: Sequence[Statement]) -> str:
    written = [_statement(scope, statement) for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": written}, sort_keys=True)


def _statement(scope: Scope, statement: Statement) -> dict[str, Any]:
    def arn(resource: str) -> str:
        return resource if resource == "*" or resource.startswith("arn:") else f"arn:{scope.partition}:{resource}"

    written: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": [arn(resource) for resource in statement.resources],
    }
    if statement.condition:
        written["Condition"] = statement.condition
    return written
