"""A small Terraform: applies the synthesized JSON of a machine's stack with boto3, in a second instead of a minute.

For tests of what stands around Terraform: it has Terraform's plans, state file and manners (what a kill in the middle
of an apply leaves; what an import writes), and `test_equality.py` holds it equal to the real one, phase by phase.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from runner.terraform.plan import Action, Change, Plan, differences, resources_of
from runner.terraform.project import PlanFile, TerraformFailed, Variables, outputs_of
from schemas.outputs import Outputs
from tests.applier.expression import UNKNOWN, Unknowable, resolve
from tests.applier.resources import (
    ATTACHMENT,
    GROUP,
    INSTANCE,
    REPLACED_BY,
    RULE,
    VOLUME,
    check_arguments,
    create,
    destroy,
    read,
    update,
)
from tests.applier.state import Address, State, written

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

_MADE = (VOLUME, GROUP, RULE, INSTANCE, ATTACHMENT)
_PARTS = {"//", "output", "provider", "resource", "terraform", "variable"}
_PROVIDER = {"endpoints", "region", "skip_metadata_api_check"}
_TERRAFORM = {"backend", "required_providers", "required_version"}


@dataclass(frozen=True)
class SmallApplier:
    """`runner.terraform.project.Project`, made as `TerraformProject` is. `tell` hears of each resource made."""

    directory: Path
    tell: Callable[[str], None]
    lock: bool = True

    def init(self) -> None:
        """Refuse a stack of which a part is not known."""
        check_stack(self._stack)

    def plan(self, name: str, variables: Variables, *, refresh: bool, destroy: bool = False) -> PlanFile:
        """Plan to ``<name>.tfplan``; real Terraform's changes, in its order of addresses."""
        state = self._refreshed() if refresh else self._state
        values = self._check(variables)
        wanted = {} if destroy else self._wanted(values, state)
        changes = tuple(change for change in self._changes(state, wanted))
        outputs = {} if destroy else self._outputs(values, self._after(state, wanted))
        plan = Plan(changes, errored=False, outputs_change=outputs != state.outputs, drift=tuple(self._drift(state)))
        path = self.directory / f"{name}.tfplan"
        path.write_text(json.dumps({"values": values, "refresh": refresh, "destroy": destroy}))
        protected = [c.address for c in changes if "delete" in c.actions and self._protected(c.address)]
        if protected:
            raise TerraformFailed("plan", [f"{a}: Instance cannot be destroyed" for a in protected])
        self.tell(f"Plan: {len(changes)} changes.")
        return PlanFile(path, plan)

    def apply(self, plan: PlanFile) -> None:
        """Apply a plan. As with Terraform, what is made stands in the state at the end, or after an error; a kill in
        the middle leaves the state as it was."""
        asked = json.loads(plan.path.read_text())
        state = self._refreshed() if asked["refresh"] else self._state
        try:
            self._converge(state, asked["values"], asked["destroy"])
            state.outputs = {} if asked["destroy"] else self._outputs(asked["values"], state.resources)
        except ClientError as error:
            raise TerraformFailed("apply", [str(error)]) from error
        finally:
            state.write()

    def settle(self, variables: Variables) -> None:
        """Refresh the state and its outputs."""
        state = self._refreshed()
        state.outputs = self._outputs(self._check(variables), state.resources)
        state.write()

    def adopt(self, address: str, resource_id: str, variables: Variables) -> None:
        """Import a resource. Like Terraform's, it writes the outputs too, with null for what is not there yet."""
        state, values = self._state, self._check(variables)
        place = next((a for a in self._places(values) if written(a) == address), None)
        if place is None or place in state.resources:
            raise TerraformFailed("import", [f"{address} is not in the configuration, or managed already"])
        found = read(self._ec2, place[0], {"id": resource_id})
        if found is None:
            raise TerraformFailed("import", ["Cannot import non-existent remote object"])
        state.resources[place] = found
        missing = {a: {"id": UNKNOWN, "size": UNKNOWN} for a in self._places(values) if a[0] == VOLUME}
        state.outputs = self._outputs(values, missing | state.resources)
        state.write()

    def unlock(self, lock_id: str) -> None:
        """The state's file is not locked."""
        raise TerraformFailed("force-unlock", [f"there is no lock {lock_id}"])

    def resources(self) -> dict[str, str]:
        """Address to id."""
        path = self._state_file
        return resources_of(path.read_text()) if path.exists() and path.read_bytes() else {}

    def tainted(self) -> frozenset[str]:
        """None: what fails half-way here was not made."""
        return frozenset()

    def untaint(self, address: str) -> None:
        raise AssertionError(f"{address} cannot be tainted here")

    def outputs(self) -> Outputs | None:
        """The state's outputs."""
        return outputs_of(self._state.outputs, str(self.directory))

    def access_node_id(self) -> str:
        """The access node's instance id."""
        return str(self._stack["output"]["access_node_id"]["value"])

    # -- the configuration

    @property
    def _stack(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "cdk.tf.json").read_text(encoding="utf-8")))

    @property
    def _state_file(self) -> Path:
        backend = self._stack["terraform"]["backend"]
        if set(backend) != {"local"}:
            raise Unknowable(f"the backend {', '.join(backend)}")
        return Path(backend["local"]["path"])

    @property
    def _state(self) -> State:
        return State.read(self._state_file)

    @cached_property
    def _ec2(self) -> EC2Client:
        provider = self._stack["provider"]["aws"][0]
        endpoint = provider.get("endpoints", {}).get("ec2")
        return boto3.session.Session().client("ec2", region_name=provider["region"], endpoint_url=endpoint)

    def _check(self, variables: Variables) -> dict[str, Any]:
        values = {
            "phase": variables.phase,
            "launched": variables.launched,
            "slots": dict(variables.slots),
            "root_device": variables.root_device,
        }
        declared = self._stack["variable"]
        if set(declared) != set(values):
            raise Unknowable(f"the variables {', '.join(sorted(set(declared) ^ set(values)))}")
        for name, variable in declared.items():
            for rule in variable.get("validation", []):
                if not resolve(rule["condition"], {"var": values}):
                    raise TerraformFailed("plan", [f"Invalid value for variable {name} ({rule['error_message']})"])
        return values

    def _blocks(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for kind in _MADE:
            yield from ((kind, name, block) for name, block in sorted(self._stack["resource"].get(kind, {}).items()))

    def _places(self, values: Mapping[str, Any]) -> Iterator[Address]:
        for kind, name, block in self._blocks():
            if "count" not in block:
                yield kind, name, None
            else:
                yield from ((kind, name, index) for index in range(resolve(block["count"], {"var": values})))

    def _wanted(self, values: Mapping[str, Any], state: State) -> dict[Address, dict[str, Any]]:
        """Every resource's arguments, unknown where they depend on what is yet to be made."""
        wanted: dict[Address, dict[str, Any]] = {}
        for place in self._places(values):
            kind, name, _ = place
            block = self._stack["resource"][kind][name]
            plain = {key: value for key, value in block.items() if key not in ("//", "count", "lifecycle")}
            wanted[place] = resolve(plain, self._scope(values, self._after(state, wanted)))
        return wanted

    def _after(self, state: State, wanted: Mapping[Address, Mapping[str, Any]]) -> dict[Address, dict[str, Any]]:
        return {a: {"id": UNKNOWN} | state.resources.get(a, {}) | dict(arguments) for a, arguments in wanted.items()}

    def _scope(self, values: Mapping[str, Any], resources: Mapping[Address, Any]) -> dict[str, Any]:
        scope: dict[str, Any] = {"var": values, **{kind: {} for kind in _MADE}}
        for kind, name, block in self._blocks():
            if "count" in block:
                scope[kind][name] = []
        for (kind, name, index), attributes in resources.items():
            if index is None:
                scope[kind][name] = attributes
            else:
                scope[kind].setdefault(name, []).append(attributes)
        return scope

    def _outputs(self, values: Mapping[str, Any], resources: Mapping[Address, Any]) -> dict[str, Any]:
        scope = self._scope(values, resources)
        return {name: resolve(output["value"], scope) for name, output in self._stack["output"].items()}

    # -- the world

    def _refreshed(self) -> State:
        state = self._state
        for place, attributes in list(state.resources.items()):
            found = read(self._ec2, place[0], attributes)
            if found is None:
                del state.resources[place]
            else:
                state.resources[place] = found
        return state

    def _changes(self, state: State, wanted: Mapping[Address, Mapping[str, Any]]) -> Iterator[Change]:
        for place in sorted({*state.resources, *wanted}, key=written):
            kind, name, _ = place
            if place not in state.resources:
                yield Change(written(place), kind, ("create",), (), importing=False)
                continue
            known = state.resources[place]
            if place not in wanted:
                yield Change(written(place), kind, ("delete",), tuple(sorted(known)), importing=False)
                continue
            changed = self._differing(kind, name, known, wanted[place])
            if changed & REPLACED_BY[kind]:
                yield _change(place, ("delete", "create"), known, wanted[place], changed)
            elif changed:
                yield _change(place, ("update",), known, wanted[place], changed)

    def _drift(self, refreshed: State) -> Iterator[Change]:
        """From the state as it was written to the world as it was read."""
        for place, known in sorted(self._state.resources.items(), key=lambda item: written(item[0])):
            now = refreshed.resources.get(place)
            if now is None:
                yield _change(place, ("delete",), known, {}, ())
            elif changed := {name for name in now if now[name] != known.get(name)}:
                yield _change(place, ("update",), known, now, changed)

    def _differing(self, kind: str, name: str, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> set[str]:
        ignored = self._stack["resource"][kind][name].get("lifecycle", {}).get("ignore_changes", [])
        return {key for key, value in wanted.items() if key not in ignored and known.get(key) != value}

    def _protected(self, address: str) -> bool:
        kind, _, name = address.partition("[")[0].partition(".")
        block = self._stack["resource"].get(kind, {}).get(name, {})
        return bool(block.get("lifecycle", {}).get("prevent_destroy"))

    def _converge(self, state: State, values: Mapping[str, Any], everything: bool) -> None:
        places = [] if everything else list(self._places(values))
        for kind in reversed(_MADE):
            for place in [p for p in state.resources if p[0] == kind and p not in places]:
                destroy(self._ec2, kind, state.resources[place])
                del state.resources[place]
                self.tell(f"{written(place)}: Destruction complete")
        for place in places:
            kind, name, _ = place
            wanted = self._wanted(values, state)[place]
            if place not in state.resources:
                address = written(place)
                made = create(self._ec2, kind, wanted, lambda said, at=address: self.tell(f"{at}: {said}"))
                state.resources[place] = made
                self.tell(f"{written(place)}: Creation complete")
                continue
            known = state.resources[place]
            changed = self._differing(kind, name, known, wanted)
            if changed & REPLACED_BY[kind]:
                raise Unknowable(f"how to replace {written(place)}")
            if changed:
                update(self._ec2, kind, known, {key: wanted[key] for key in changed})
                state.resources[place] = known | {key: wanted[key] for key in changed}
                self.tell(f"{written(place)}: Modifications complete")


def _change(
    place: Address,
    actions: tuple[Action, ...],
    known: Mapping[str, Any],
    wanted: Mapping[str, Any],
    names: Iterable[str],
) -> Change:
    changed = tuple(sorted(names))
    found = differences(known, wanted, changed)
    return Change(written(place), place[0], actions, changed, False, found, str(known.get("id", "")))


def check_stack(stack: Mapping[str, Any]) -> None:
    """Raise `Unknowable` for a part, a resource type, an argument or a setting that the small applier does not know."""
    _known("the stack", stack, _PARTS)
    _known("terraform", stack["terraform"], _TERRAFORM)
    for provider in stack["provider"].values():
        _known("the provider", provider[0], _PROVIDER)
    for kind, blocks in stack["resource"].items():
        for name, block in blocks.items():
            check_arguments(kind, name, block)


def _known(what: str, block: Mapping[str, Any], known: set[str]) -> None:
    if set(block) - known:
        raise Unknowable(f"{min(set(block) - known)} in {what}")
