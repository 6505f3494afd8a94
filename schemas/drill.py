"""A drill: the copy of a generation that is booted apart from the replica, what it is made of, and the verdict on it.

The copy is a machine of its own, named after the replica with a part that no spec's name can have, so that nothing of
the one is ever taken for the other's: tags, state, slots and working files all follow from the name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from schemas.naming import TAG_DRILL, TAG_EXPIRES
from schemas.spec import Disk, DrillCheck, Spec

CheckKind = Literal["status", "console", "tcp", "ssm"]


@dataclass(frozen=True)
class DrillDisk:
    """A disk of the copy: the integrity snapshot that its volume is made from, and its size in GiB."""

    id: str
    snapshot_id: str
    size_gib: int


@dataclass(frozen=True)
class DrillRequest:
    """What a drill is made of; the runner writes it, the stack is declared from it and the spec.

    `access_node_cidr` is the access node's address as a block of one, from which checked ports are open; `vpc_cidrs`
    is all that the copy may reach, and only if it needs any.
    """

    version: Literal[1]
    replication: str
    generation: int
    expires: str
    access_node_id: str
    access_node_cidr: str
    vpc_id: str
    vpc_cidrs: tuple[str, ...]
    disks: tuple[DrillDisk, ...]


@dataclass(frozen=True)
class CheckResult:
    """How one check ended, after how many seconds; `wanted` is what was looked for."""

    kind: CheckKind
    wanted: str
    passed: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class DrillVerdict:
    """The verdict on a drill. `reason` is empty when it passed; `kept` says that the copy was left up."""

    version: Literal[1]
    replication: str
    generation: int
    verdict: Literal["passed", "failed"]
    reason: str
    started: str
    ended: str
    instance_id: str
    instance_type: str
    expires: str
    kept: bool
    checks: tuple[CheckResult, ...]


def drill_name(replication: str) -> str:
    """The copy's name: no replication's own can have a slash. Its home and state lie inside the replica's."""
    return f"{replication}/drill"


def is_drill(name: str) -> bool:
    """Whether a name is that of a drill's copy."""
    return name.endswith("/drill")


def drill_spec(spec: Spec, request: DrillRequest) -> Spec:
    """The copy as a machine of its own: its name, disks, type, subnet and tags; everything else is the replica's.

    It gets neither the replica's security groups nor its key; the instance profile only where a check runs over SSM.
    It may be removed at any time, so nothing of it is protected.
    """
    wanted = spec.destination
    disks = tuple(
        Disk(id=one.id, path="", size_gib=one.size_gib, boot=one.id == spec.boot_disk.id) for one in request.disks
    )
    return dataclasses.replace(
        spec,
        name=drill_name(spec.name),
        source=dataclasses.replace(spec.source, disks=disks),
        destination=dataclasses.replace(
            wanted,
            instance_type=spec.drill.instance_type or wanted.instance_type,
            subnet_id=spec.drill.subnet_id or wanted.subnet_id,
            security_group_ids=(),
            key_name=None,
            instance_profile=wanted.instance_profile if needs_ssm(spec.drill.checks) else None,
        ),
        start=True,
        tags={**spec.tags, TAG_DRILL: spec.name, TAG_EXPIRES: request.expires},
        decommission=True,
    )


def needs_ssm(checks: tuple[DrillCheck, ...]) -> bool:
    """Whether a check runs a command in the guest."""
    return any(check.ssm is not None for check in checks)


def checked_ports(checks: tuple[DrillCheck, ...]) -> tuple[int, ...]:
    """The TCP ports that are checked, each once, in order."""
    return tuple(dict.fromkeys(check.tcp for check in checks if check.tcp is not None))


GROUP = "drill"
SSM_RULE = "drill_ssm"


def port_rule(port: int) -> str:
    """The Terraform name of the rule that opens a checked port."""
    return f"drill_port_{port}"


def firewall(checks: tuple[DrillCheck, ...]) -> tuple[str, ...]:
    """The Terraform addresses of the copy's security group and its rules."""
    rules = [port_rule(port) for port in checked_ports(checks)] + ([SSM_RULE] if needs_ssm(checks) else [])
    return (f"aws_security_group.{GROUP}", *(f"aws_security_group_rule.{rule}" for rule in rules))
