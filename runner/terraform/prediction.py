"""What Terraform will plan for a machine's stack, predicted from the synthesized JSON and the state. Pure and quick.

A real plan takes seconds a machine and knows the first phase alone: the later ones depend on what is not made yet.
But our stacks say little: three resource types, counts by two variables, literals. Whatever is not known here is
refused (`Unpredictable`), never guessed; tests hold the prediction equal to Terraform's plans, phase by phase.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.terraform.guard import ATTACHMENT, INSTANCE, VOLUME
from runner.terraform.plan import Action, Change
from runner.terraform.project import Variables
from runner.terraform.statefile import Attributes
from schemas.errors import HotaddError

# What the provider cannot change in place ("ForceNew" in the schemas of provider 5.100 and 6.25), of what we declare.
_REPLACED_BY: dict[str, frozenset[str]] = {
    VOLUME: frozenset({"availability_zone", "encrypted", "kms_key_id"}),
    ATTACHMENT: frozenset({"volume_id", "instance_id", "device_name"}),
    INSTANCE: frozenset({"ami", "subnet_id", "availability_zone", "key_name"}),
}
_IN_PHASE = re.compile(r'\$\{var\.phase == "([a-z]+)" \? 1 : 0\}')
_LAUNCHED = "${var.launched ? 1 : 0}"
_SLOT = re.compile(r'\$\{var\.slots\["([a-z0-9-]+)"\]\}')
_ROOT_DEVICE = "${var.root_device}"
_META = ("//", "count", "lifecycle", "depends_on", "provider")


class Unpredictable(HotaddError):
    """The synthesized stack says something that the prediction does not know."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"What Terraform will do with {what} cannot be predicted.",
            "Use `--refresh`: Terraform then plans the first phase itself. Report it: this is a gap in hotadd.",
        )
        self.what = what


@dataclass(frozen=True)
class Block:
    """One resource block of a stack: `arguments` as Terraform's JSON has them; `ignored` of them are never changed."""

    type: str
    name: str
    count: str
    arguments: Mapping[str, object]
    ignored: frozenset[str]
    protected: bool

    @property
    def address(self) -> str:
        """Without the index."""
        return f"{self.type}.{self.name}"


@dataclass(frozen=True)
class StackText:
    """A synthesized stack, as far as it decides what is planned."""

    blocks: tuple[Block, ...]
    access_node_id: str
    slots: Mapping[str, str]
    root_device: str

    @property
    def declared(self) -> dict[str, frozenset[str]]:
        """The attributes that the stack declares, by address (without the index)."""
        return {block.address: frozenset(block.arguments) for block in self.blocks}


def read_stack(text: str) -> StackText:
    """Read a machine stack's `cdk.tf.json`. Raises `Unpredictable` for resource types that are not known here."""
    document = json.loads(text)
    blocks = []
    for kind, named in document.get("resource", {}).items():
        if kind not in _REPLACED_BY:
            raise Unpredictable(f"resources of type {kind}")
        for name, block in named.items():
            lifecycle = block.get("lifecycle", {})
            blocks.append(
                Block(
                    type=kind,
                    name=name,
                    count=str(block.get("count", "")),
                    arguments={key: value for key, value in block.items() if key not in _META},
                    ignored=frozenset(lifecycle.get("ignore_changes", ())),
                    protected=bool(lifecycle.get("prevent_destroy", False)),
                )
            )
    variables = document["variable"]
    return StackText(
        blocks=tuple(blocks),
        access_node_id=str(document["output"]["access_node_id"]["value"]),
        slots=dict(variables["slots"]["default"]),
        root_device=str(variables["root_device"]["default"]),
    )


def predict(
    stack: StackText, resources: Mapping[str, Attributes], variables: Variables
) -> tuple[tuple[Change, ...], dict[str, Attributes]]:
    """What a plan with `variables` would change, sorted by address, and the resources after its apply."""
    wanted = dict(_wanted(stack, variables))
    changes = []
    for address in sorted({*wanted, *resources}):
        block, known = wanted.get(address), resources.get(address)
        if block is None:
            changes.append(_change(address, address.split(".")[0], ("delete",)))
        elif known is None:
            changes.append(_change(address, block.type, ("create",)))
        else:
            changed = tuple(sorted(_changed(block, known, variables)))
            if set(changed) & _REPLACED_BY[block.type]:
                changes.append(_change(address, block.type, ("delete", "create"), changed))
            elif changed:
                changes.append(_change(address, block.type, ("update",), changed))
    after: dict[str, Attributes] = {
        address: {**resources.get(address, {}), **_settled(block)} for address, block in wanted.items()
    }
    return tuple(changes), after


def predict_removal(resources: Mapping[str, Attributes]) -> tuple[Change, ...]:
    """What `plan -destroy` would change."""
    return tuple(_change(address, address.split(".")[0], ("delete",)) for address in sorted(resources))


def declared_only(change: Change, declared: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The attributes of a change that the stack declares: an update also names what AWS computes from these."""
    if "create" not in change.actions and "update" not in change.actions or change.actions == ("create",):
        return ()
    names = declared.get(change.address.split("[")[0], frozenset())
    return tuple(name for name in change.attributes if name in names)


def _wanted(stack: StackText, variables: Variables) -> Iterator[tuple[str, Block]]:
    for block in stack.blocks:
        phase = _IN_PHASE.fullmatch(block.count)
        if not block.count:
            yield block.address, block
        elif phase is not None:
            if phase.group(1) == variables.phase:
                yield f"{block.address}[0]", block
        elif block.count == _LAUNCHED:
            if variables.launched:
                yield f"{block.address}[0]", block
        else:
            raise Unpredictable(f"{block.address}, whose count is {block.count}")


def _settled(block: Block) -> dict[str, object]:
    """What the state will hold of a block's literals once it is applied."""
    return {
        name: value
        for name, value in block.arguments.items()
        if not _is_expression(value) and name not in block.ignored
    }


def _changed(block: Block, known: Attributes, variables: Variables) -> Iterator[str]:
    for name, value in block.arguments.items():
        if name in block.ignored or name not in known and _is_expression(value):
            continue
        if not _same(_evaluated(value, variables), known.get(name)):
            yield name


def _evaluated(value: object, variables: Variables) -> object:
    """The value of an expression of a variable; any other expression is left as it is."""
    if isinstance(value, str):
        slot = _SLOT.fullmatch(value)
        if slot is not None:
            return variables.slots[slot.group(1)]
        if value == _ROOT_DEVICE:
            return variables.root_device
    return value


def _is_expression(value: object) -> bool:
    return isinstance(value, str) and re.search(r"(?<!\$)\$\{|(?<!%)%\{", value) is not None


def _same(wanted: object, known: object) -> bool:
    """Whether a declared value is what the state holds. Terraform keeps a block as a list of one object, a set in any
    order, and an empty map as null; an id of another resource stays what it is as long as that resource does."""
    if _is_expression(wanted):
        return True
    if isinstance(wanted, str):
        return wanted.replace("$${", "${").replace("%%{", "%{") == known
    if isinstance(wanted, dict):
        if isinstance(known, list):
            return len(known) == 1 and all(_same(value, known[0].get(key)) for key, value in wanted.items())
        held = known if isinstance(known, dict) else {}
        return wanted.keys() == held.keys() and all(_same(value, held[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(known, list) and sorted(map(str, wanted)) == sorted(map(str, known))
    return wanted == known


def _change(address: str, kind: str, actions: tuple[Action, ...], attributes: tuple[str, ...] = ()) -> Change:
    return Change(address, kind, actions, attributes, importing=False)
