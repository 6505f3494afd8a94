"""From specs to stacks: one for each machine, one for each access node that a spec declares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.spec import Spec
from stacks.defaults import defaults
from stacks.machine import declare_machine
from stacks.node import declare_node
from stacks.place import Place
from stacks.plan import plan_nodes
from stacks.resources import Program
from stacks.state import machine_state, node_instance


def synthesize(specs: Sequence[Spec], out: Path, place: Place) -> None:
    """Write the stacks of all specs to `out`, as cdktf does. Raises what reading their states raises."""
    nodes = plan_nodes(specs)
    program = Program(out)
    for plan in nodes:
        declare_node(program, plan, place)
    for spec in specs:
        default = defaults(spec, machine_state(spec.backend, spec.name))
        declare_machine(program, spec, place, default, _access_node(spec))
    program.synth()


def _access_node(spec: Spec) -> str:
    if spec.access_node.declare is not None:
        return node_instance(spec.backend, spec.access_node.declare.name)
    return spec.access_node.instance_id or ""
