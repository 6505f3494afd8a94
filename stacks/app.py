"""From specs to stacks: one for each machine, one for each access node that a spec declares."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.drill import DrillRequest, drill_spec
from schemas.spec import Spec
from stacks.defaults import Defaults, defaults
from stacks.drill import declare_drill
from stacks.machine import declare_machine
from stacks.node import declare_node
from stacks.place import Place
from stacks.plan import plan_nodes
from stacks.resources import Program
from stacks.state import machine_state, node_instance

_READERS = 16  # states read at a time; 500 of them in S3 would otherwise take half a minute


def synthesize(specs: Sequence[Spec], out: Path, place: Place) -> None:
    """Write the stacks of all specs to `out`, as cdktf does. Raises what reading their states raises, and then has
    written nothing."""
    nodes = plan_nodes(specs)
    with ThreadPoolExecutor(_READERS) as readers:
        known = list(readers.map(_look, specs))
    program = Program(out)
    for plan in nodes:
        declare_node(program, plan, place)
    for spec, (default, access_node_id) in zip(specs, known, strict=True):
        declare_machine(program, spec, place, default, access_node_id)
    program.synth()


def synthesize_drill(spec: Spec, request: DrillRequest, out: Path, place: Place) -> None:
    """Write the stack of a drill of one machine to `out`, and no other. Raises as `synthesize` does."""
    default, _ = _look(drill_spec(spec, request))
    program = Program(out)
    declare_drill(program, spec, request, place, default)
    program.synth()


def _look(spec: Spec) -> tuple[Defaults, str]:
    """What the states say: a machine's defaults, and its access node's instance id."""
    return defaults(spec, machine_state(spec.backend, spec.name)), _access_node(spec)


def _access_node(spec: Spec) -> str:
    if spec.access_node.declare is not None:
        return node_instance(spec.backend, spec.access_node.declare.name)
    return spec.access_node.instance_id or ""
