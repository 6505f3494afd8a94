"""From specs to stacks: one for each machine, one for each access node that a spec declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.errors import Refused
from schemas.naming import machine_stack, node_stack
from schemas.spec import Spec
from stacks.defaults import defaults
from stacks.machine import declare_machine
from stacks.node import NodePlan, declare_node
from stacks.policy import Prefix, Scope
from stacks.provider import Place
from stacks.resources import Program
from stacks.state import machine_state, node_instance


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


def synthesize(specs: Sequence[Spec], out: Path, place: Place) -> None:
    """Write the stacks of all specs to `out`, as cdktf does. Raises what reading their states raises."""
    nodes = plan_nodes(specs)
    taken = {node_stack(plan.node.name) for plan in nodes} & {machine_stack(spec.name) for spec in specs}
    if taken:
        raise StackNameTaken(min(taken))
    program = Program(out)
    for plan in nodes:
        declare_node(program, plan, place)
    for spec in specs:
        default = defaults(spec, machine_state(spec.backend, spec.name))
        declare_machine(program, spec, place, default, _access_node(spec))
    program.synth()


def plan_nodes(specs: Iterable[Spec]) -> list[NodePlan]:
    """The access nodes that the specs declare, each with all that its specs need. Raises `NodeDeclaredTwice`."""
    sharing: dict[str, list[Spec]] = {}
    for spec in specs:
        if spec.access_node.declare is not None:
            sharing.setdefault(spec.access_node.declare.name, []).append(spec)
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
    scope = Scope(first.region, prefixes, tuple(sorted(filter(None, keys))), node.wheel.location)
    return NodePlan(node, first.availability_zone, first.backend, scope, tuple(sorted(filter(None, profiles))))


def _access_node(spec: Spec) -> str:
    if spec.access_node.declare is not None:
        return node_instance(spec.backend, spec.access_node.declare.name)
    return spec.access_node.instance_id or ""
