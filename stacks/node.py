"""The stack of a declared access node: instance, role and profile, and a security group nothing may enter by."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.naming import node_stack, node_tags
from schemas.spec import DeclaredNode
from stacks import policy
from stacks.attributes import (
    ExistingInstanceProfile,
    Expression,
    IamInstanceProfile,
    IamRole,
    IamRolePolicy,
    Instance,
    RootBlockDevice,
    SecurityGroup,
    SecurityGroupRule,
)
from stacks.backend import keep_state
from stacks.place import Place
from stacks.plan import NodePlan
from stacks.resources import Program, Stack
from stacks.syntax import Lifecycle, Reference
from stacks.user_data import user_data


def declare_node(program: Program, plan: NodePlan, place: Place) -> None:
    """Declare the stack."""
    name = node_stack(plan.node.name)
    stack = program.stack(name, place.provider(plan.scope.region), place.provider_version)
    keep_state(stack, name, plan.backend, place)
    role = _role(stack, plan)
    group = _security_group(stack, plan.node)
    profile = IamInstanceProfile(f"hotadd-{name}", role.attribute("name"), node_tags(plan.node.name))
    node = _instance(stack, plan, stack.resource("profile", profile), group)
    stack.output("instance_id", node.attribute("id"), "Instance id of the access node.")
    stack.output("role_arn", role.attribute("arn"), "ARN of the access node's role.")
    stack.output("security_group_id", group.attribute("id"), "The access node's security group.")


def _role(stack: Stack, plan: NodePlan) -> Reference:
    name = node_stack(plan.node.name)
    described = f"What the hotadd access node {plan.node.name} may do"
    role = stack.resource("role", IamRole(f"hotadd-{name}", described, policy.trust(), node_tags(plan.node.name)))
    documents = {
        "control": policy.control(plan.scope),
        "data": policy.data(plan.scope),
        "removal": policy.removal(plan.scope),
    }
    for part, document in documents.items():
        stack.resource(part, IamRolePolicy(part, role.attribute("id"), document))
    if plan.profiles:
        roles = _destination_roles(stack, plan.profiles)
        stack.resource("pass_roles", IamRolePolicy("pass-roles", role.attribute("id"), policy.pass_roles(roles)))
    return role


def _destination_roles(stack: Stack, profiles: Sequence[str]) -> list[Expression]:
    """The roles inside the destinations' profiles: a profile's name does not tell its role's."""
    found = [stack.data(f"destination_{at}", ExistingInstanceProfile(name)) for at, name in enumerate(profiles)]
    return [profile.attribute("role_arn") for profile in found]


def _security_group(stack: Stack, node: DeclaredNode) -> Reference:
    described = f"hotadd access node {node.name}: nothing comes in"
    name = f"hotadd-{node_stack(node.name)}"
    group = stack.resource("security_group", SecurityGroup(name, described, node.vpc_id, node_tags(node.name)))
    egress = SecurityGroupRule(
        security_group_id=group.attribute("id"),
        type="egress",
        description="AWS, Debian and PyPI over TLS, Debian also over HTTP",
        from_port=0,
        to_port=0,
        protocol="-1",
        cidr_blocks=("0.0.0.0/0",),
    )
    stack.resource("egress", egress)
    return group


def _instance(stack: Stack, plan: NodePlan, profile: Reference, group: Reference) -> Reference:
    node = plan.node
    root = RootBlockDevice(
        encrypted=True,
        delete_on_termination=True,
        tags=node_tags(node.name),
        volume_size=node.root_gib,
        volume_type="gp3",
    )
    instance = Instance(
        ami=node.ami,
        instance_type=node.instance_type,
        subnet_id=node.subnet_id,
        availability_zone=plan.availability_zone,
        root_block_device=root,
        tags=node_tags(node.name),
        vpc_security_group_ids=(group.attribute("id"),),
        iam_instance_profile=profile.attribute("name"),
        user_data=user_data(node.wheel),
    )
    # A newer AMI or wheel must not stop or replace a node under the volumes it holds: `-replace` does it on purpose.
    return stack.resource("access_node", instance, lifecycle=Lifecycle(ignore_changes=("ami", "user_data")))
