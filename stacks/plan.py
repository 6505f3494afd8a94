"""What a set of specs declares together: its access nodes, each with all that the specs which share it need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.drill import needs_ssm
from schemas.errors import Refused
from schemas.location import s3_object
from schemas.naming import machine_stack, node_stack
from schemas.spec import Backend, DeclaredNode, Spec
from stacks.policy import Prefix, Scope


class NodeDeclaredTwice(Refused):
    """Two specs declare an access node of one name in different ways."""

    def __init__(self, node: str, first: str, second: str) -> None:
        super().__init__(
            f"The specs {first} and {second} declare the access node {node} differently.",
            "Let access_node.declare, region, availability_zone and backend agree, or give one node another name.",
        )
        self.node = node
        self.first = first
        self.second = second


class StackNameTaken(Refused):
    """A machine has the name of an access node's stack."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name} is also that of an access node's stack.", "Rename the replication.")
        self.name = name


@dataclass(frozen=True)
class NodePlan:
    """A declared access node, and what the specs that share it need. `profiles` are the destinations' instance
    profiles, by name."""

    node: DeclaredNode
    availability_zone: str
    backend: Backend
    scope: Scope
    profiles: tuple[str, ...] = ()


def plan_nodes(specs: Sequence[Spec]) -> list[NodePlan]:
    """The access nodes that the specs declare. Raises `NodeDeclaredTwice` and `StackNameTaken`."""
    sharing: dict[str, list[Spec]] = {}
    for spec in specs:
        if spec.access_node.declare is not None:
            sharing.setdefault(spec.access_node.declare.name, []).append(spec)
    taken = {node_stack(node) for node in sharing} & {machine_stack(spec.name) for spec in specs}
    if taken:
        raise StackNameTaken(min(taken))
    return [_plan(name, together) for name, together in sorted(sharing.items())]


def _plan(name: str, specs: Sequence[Spec]) -> NodePlan:
    first = specs[0]
    node = first.access_node.declare
    assert node is not None
    for spec in specs[1:]:
        same = (spec.access_node, spec.region, spec.availability_zone, spec.backend)
        if same != (first.access_node, first.region, first.availability_zone, first.backend):
            raise NodeDeclaredTwice(name, first.name, spec.name)
    s3 = first.backend.s3
    prefixes = (Prefix(s3.bucket, s3.prefix, s3.region, s3.kms_key_id),) if s3 is not None else ()
    keys = {spec.destination.volume.kms_key_id for spec in specs} - {None}
    profiles = {spec.destination.instance_profile for spec in specs} - {None}
    commands = any(needs_ssm(spec.drill.checks) for spec in specs)
    objects = {s3_object(disk.path) for spec in specs for disk in spec.source.disks} - {None}
    sources = tuple(sorted(f"{found.bucket}/{found.key}" for found in objects if found is not None))
    scope = Scope(first.region, prefixes, tuple(sorted(filter(None, keys))), node.wheel.location, commands, sources)
    return NodePlan(node, first.availability_zone, first.backend, scope, tuple(sorted(filter(None, profiles))))
