"""The stack of a drill: a copy of a machine from its integrity snapshots, behind a security group of its own.

The copy goes through the same phases as the machine it copies, by the same variables; only its volumes are made from
snapshots, and nothing of it is protected. Nothing enters the security group but the checked ports, from the access
node; nothing leaves it but TLS within the VPC, and that only where a check runs over SSM (its VPC endpoints).
"""

from __future__ import annotations

from schemas.drill import GROUP, SSM_RULE, DrillRequest, checked_ports, drill_spec, needs_ssm, port_rule
from schemas.naming import DRILL_STACK, machine_stack, tags
from schemas.spec import Spec
from stacks.attributes import SecurityGroup, SecurityGroupRule
from stacks.backend import keep_state
from stacks.defaults import Defaults
from stacks.machine import declare_phases
from stacks.place import Place
from stacks.resources import Program, Stack
from stacks.syntax import Reference

_TLS = 443


def declare_drill(program: Program, spec: Spec, request: DrillRequest, place: Place, default: Defaults) -> None:
    """Declare the copy that `request` asks for, of the machine that `spec` describes."""
    copy = drill_spec(spec, request)
    stack = program.stack(DRILL_STACK, place.provider(spec.region), place.provider_version)
    keep_state(stack, machine_stack(copy.name), spec.backend, place)
    group = _security_group(stack, spec, copy, request)
    snapshots = {disk.id: disk.snapshot_id for disk in request.disks}
    declare_phases(stack, copy, default, request.access_node_id, snapshots=snapshots, groups=(group.attribute("id"),))


def _security_group(stack: Stack, spec: Spec, copy: Spec, request: DrillRequest) -> Reference:
    name = f"hotadd-drill-{spec.name}"
    described = f"hotadd drill of {spec.name}: a copy that reaches nobody"
    own = tags(copy.name, "security-group", extra=copy.tags)
    group = stack.resource(GROUP, SecurityGroup(name, described, request.vpc_id, own))
    for port in checked_ports(spec.drill.checks):
        checked = f"a checked port, from the access node {request.access_node_id}"
        rule = _rule(group, "ingress", checked, port, (request.access_node_cidr,))
        stack.resource(port_rule(port), rule)
    if needs_ssm(spec.drill.checks):
        stack.resource(
            SSM_RULE, _rule(group, "egress", "TLS to the endpoints of SSM in the VPC", _TLS, request.vpc_cidrs)
        )
    return group


def _rule(group: Reference, type_: str, described: str, port: int, cidrs: tuple[str, ...]) -> SecurityGroupRule:
    return SecurityGroupRule(
        security_group_id=group.attribute("id"),
        type=type_,
        description=described,
        from_port=port,
        to_port=port,
        protocol="tcp",
        cidr_blocks=cidrs,
    )
