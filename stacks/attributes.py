"""Terraform's resource types as frozen dataclasses: only what we set, under the AWS provider's own names.

A field that is None is left out. A field that holds a dataclass is a nested block. `tests/stacks` holds every name here
against AWS provider 6.25 (`provider_attributes.json`) and against the provider at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Expression:
    """A Terraform expression without its ``${}``. Plain strings are literals: they are escaped when written."""

    text: str


Text = str | Expression
Tags = dict[str, str]


@dataclass(frozen=True)
class Attributes:
    """Base of everything that Terraform knows by a type of its own."""

    TYPE: ClassVar[str]


@dataclass(frozen=True)
class EbsVolume(Attributes):
    """`size` in GiB, `iops` in operations/s, `throughput` in MiB/s."""

    TYPE: ClassVar[str] = "aws_ebs_volume"
    availability_zone: str
    size: int
    type: str
    encrypted: bool
    tags: Tags
    iops: int | None = None
    throughput: int | None = None
    kms_key_id: str | None = None
    snapshot_id: str | None = None


@dataclass(frozen=True)
class VolumeAttachment(Attributes):
    """Never with `force_detach` (a detach that hangs must be seen, not forced), `stop_instance_before_detaching` or
    `skip_destroy`: all three are off by default, provider 3.39 does not know the second, and an attachment that was
    imported after a crash has them unset, so naming them would plan an update."""

    TYPE: ClassVar[str] = "aws_volume_attachment"
    volume_id: Text
    instance_id: Text
    device_name: Text


@dataclass(frozen=True)
class MetadataOptions:
    """IMDSv2 only, and only for the instance itself (a container behind one more hop gets no answer)."""

    http_endpoint: str = "enabled"
    http_tokens: str = "required"
    http_put_response_hop_limit: int = 1


@dataclass(frozen=True)
class RootBlockDevice:
    """The instance's own root volume. `volume_size` in GiB; None takes the AMI's."""

    encrypted: bool
    delete_on_termination: bool
    tags: Tags
    volume_size: int | None = None
    volume_type: str | None = None
    kms_key_id: str | None = None


@dataclass(frozen=True)
class Instance(Attributes):
    """Never with `associate_public_ip_address` (it replaces a stopped instance) nor `volume_tags` (it would fight
    the tags of the volumes' own resources)."""

    TYPE: ClassVar[str] = "aws_instance"
    ami: str
    instance_type: str
    subnet_id: str
    availability_zone: str
    root_block_device: RootBlockDevice
    tags: Tags
    metadata_options: MetadataOptions = MetadataOptions()
    vpc_security_group_ids: tuple[Text, ...] | None = None
    key_name: str | None = None
    iam_instance_profile: Text | None = None
    user_data: str | None = None


@dataclass(frozen=True)
class SecurityGroup(Attributes):
    """A security group without rules: its rules are resources of their own."""

    TYPE: ClassVar[str] = "aws_security_group"
    name: str
    description: str
    vpc_id: str
    tags: Tags


@dataclass(frozen=True)
class SecurityGroupRule(Attributes):
    """One rule. (A group's inline `egress` is an attribute that looks like a block: in JSON syntax Terraform wants
    each of its names spelled out; `aws_vpc_security_group_egress_rule` is younger than provider 3.39.)"""

    TYPE: ClassVar[str] = "aws_security_group_rule"
    security_group_id: Text
    type: str
    description: str
    from_port: int
    to_port: int
    protocol: str
    cidr_blocks: tuple[str, ...]


@dataclass(frozen=True)
class IamRole(Attributes):
    """`assume_role_policy` is JSON."""

    TYPE: ClassVar[str] = "aws_iam_role"
    name: str
    description: str
    assume_role_policy: str
    tags: Tags


@dataclass(frozen=True)
class IamRolePolicy(Attributes):
    """`policy` is JSON."""

    TYPE: ClassVar[str] = "aws_iam_role_policy"
    name: str
    role: Text
    policy: Text


@dataclass(frozen=True)
class IamInstanceProfile(Attributes):
    """The role as an instance takes it."""

    TYPE: ClassVar[str] = "aws_iam_instance_profile"
    name: str
    role: Text
    tags: Tags


@dataclass(frozen=True)
class ExistingInstanceProfile(Attributes):
    """The data source that tells the role of an instance profile that exists."""

    TYPE: ClassVar[str] = "aws_iam_instance_profile"
    name: str


@dataclass(frozen=True)
class Endpoints:
    """Where the provider finds the services, when not in the account's own region."""

    ec2: str
    iam: str
    kms: str
    s3: str
    sts: str


@dataclass(frozen=True)
class Provider(Attributes):
    """The AWS provider. Credentials come from the environment, never from here."""

    TYPE: ClassVar[str] = "aws"
    region: str
    endpoints: Endpoints | None = None
    skip_metadata_api_check: str | None = None  # "true"; the provider has a string here


RESOURCES: tuple[type[Attributes], ...] = (
    EbsVolume,
    VolumeAttachment,
    Instance,
    SecurityGroup,
    SecurityGroupRule,
    IamRole,
    IamRolePolicy,
    IamInstanceProfile,
)
DATA_SOURCES: tuple[type[Attributes], ...] = (ExistingInstanceProfile,)
