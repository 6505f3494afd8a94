"""Names and tags of everything hotadd creates. Stacks write them, the runner finds its resources by them."""

from __future__ import annotations

import re
from typing import Literal

TAG_REPLICATION = "hotadd:replication"
TAG_DISK = "hotadd:disk"
TAG_ROLE = "hotadd:role"
TAG_GENERATION = "hotadd:generation"
TAG_COPY = "hotadd:copy"
TAG_NODE = "hotadd:access-node"
# On what is made for a look alone: when it may be removed by anybody, and who made it.
TAG_EXPIRES = "hotadd:expires"
TAG_MAKER = "hotadd:maker"
# On all of a drill: the replica that it copies.
TAG_DRILL = "hotadd:drill"

Role = Literal["volume", "destination", "shell-root", "integrity", "access-node", "temporary", "security-group"]

_UNSAFE = re.compile(r"[^A-Za-z0-9]")


def tags(
    replication: str, role: Role, *, disk: str = "", generation: int = 0, extra: dict[str, str] | None = None
) -> dict[str, str]:
    """The tags of one resource. The user's own (`extra`) come first, so that they never replace ours."""
    name = "-".join(part for part in ("hotadd", replication, disk or ("" if role == "destination" else role)) if part)
    ours = {"Name": replication if role == "destination" else name, TAG_REPLICATION: replication, TAG_ROLE: role}
    if disk:
        ours[TAG_DISK] = disk
    if generation:
        ours[TAG_GENERATION] = str(generation)
    return {**(extra or {}), **ours}


def node_tags(node: str) -> dict[str, str]:
    """The tags of an access node and what belongs to it (it serves many replications, so it carries none)."""
    return {"Name": f"hotadd-node-{node}", TAG_NODE: node, TAG_ROLE: "access-node"}


def machine_stack(replication: str) -> str:
    """The CDKTF stack (and state) name of a replicated machine."""
    return replication


# The CDKTF stack of a drill. It is alone in its synth; its state's place follows from the copy's own name.
DRILL_STACK = "drill"


def node_stack(node: str) -> str:
    """The CDKTF stack (and state) name of a declared access node."""
    return f"node-{node}"


def address(disk: str) -> str:
    """A disk's part of a Terraform resource name: stable, from the id alone, and distinct for distinct ids.

    Ids are [a-z0-9-]; Terraform names take no dash at the start, and cdktf's ids must not clash after mapping.
    """
    return "disk_" + _UNSAFE.sub("_", disk)
