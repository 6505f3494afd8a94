"""The JSON Schemas are valid 2020-12, explain every property, and say what the models say."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.changes import ChangeList
from schemas.document import Kind, validator
from schemas.drift import Drift
from schemas.drill import DrillRequest, DrillVerdict
from schemas.drivers import DriversLock
from schemas.event import Event
from schemas.guests import Matrix
from schemas.inspection import Inspection
from schemas.limits import LIMITS
from schemas.manifest import Manifest
from schemas.outputs import Outputs
from schemas.plan import PlanDocument
from schemas.spec import Spec, VolumeType
from tests.schemas.specs import loaded

FOLDER = Path(__file__).parents[2] / "schemas"
MODELS: dict[Kind, type] = {
    "spec": Spec,
    "outputs": Outputs,
    "manifest": Manifest,
    "event": Event,
    "drill": DrillVerdict,
    "drill_request": DrillRequest,
    "drift": Drift,
    "plan": PlanDocument,
    "changes": ChangeList,
    "inspection": Inspection,
    "guests": Matrix,
    "drivers": DriversLock,
}
TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}


def schema(kind: Kind) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return document


def properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, with its path."""
    for name, inner in node.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from properties(inner, f"{path}.{name}")
    if isinstance(node.get("items"), dict):
        yield from properties(node["items"], f"{path}[]")


def test_there_is_a_model_for_each_schema() -> None:
    assert {file.name for file in FOLDER.glob("*.schema.json")} == {f"{kind}.schema.json" for kind in MODELS}


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_a_valid_schema_that_explains_itself(kind: Kind) -> None:
    document = schema(kind)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(document)
    assert document["title"] and document["description"]
    assert [path for path, inner in properties(document) if not inner.get("description", "").endswith(".")] == []


@pytest.mark.parametrize("kind", MODELS)
def test_examples_and_defaults_follow_it(kind: Kind) -> None:
    for path, inner in properties(schema(kind)):
        checker = Draft202012Validator(inner)
        for value in [*inner.get("examples", []), *([inner["default"]] if "default" in inner else [])]:
            assert checker.is_valid(value), (path, value)


def test_whole_examples_are_good_specs() -> None:
    (example,) = schema("spec")["examples"]
    assert loaded(json.dumps(example)).name == "web01"


@pytest.mark.parametrize("kind", MODELS)
def test_every_pattern_covers_the_whole_text(kind: Kind) -> None:
    patterns = re.findall(r'"pattern": "(.*)"', (FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8"))
    assert patterns
    assert [p for p in patterns if not (p.startswith("^") and (p.endswith("$") or p.endswith("Z$")))] == []


@pytest.mark.parametrize("kind", MODELS)
def test_it_says_what_the_model_says(kind: Kind) -> None:
    assert list(differences(schema(kind), MODELS[kind], kind)) == []


def differences(node: Any, wanted: Any, path: str) -> Iterator[str]:
    """Where a schema and a model's type differ: in keys, in what is required, in defaults, in types."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is types.UnionType:  # a field that may be unset is left out, never null
        (wanted,) = (argument for argument in arguments if argument is not types.NoneType)
        yield from differences(node, wanted, path)
    elif dataclasses.is_dataclass(wanted):
        yield from _object_differences(node, typing.cast(type, wanted), path)
    elif origin is tuple:
        if node.get("type") != "array" or arguments[1:] != (...,):
            yield f"{path} is no array"
        yield from differences(node["items"], arguments[0], f"{path}[]")
    elif origin is dict:
        if node.get("type") != "object" or arguments[0] is not str:
            yield f"{path} is no object"
        yield from differences(node["additionalProperties"], arguments[1], f"{path}{{}}")
    elif origin is typing.Literal:
        if tuple(node.get("enum", [node.get("const")])) != arguments:
            yield f"{path} takes {arguments} in the model"
    elif node.get("type") != TYPES[wanted] and not (wanted is int and "const" in node):
        yield f"{path} is {wanted.__name__} in the model"


def _object_differences(node: Any, model: type, path: str) -> Iterator[str]:
    fields = {field.name: field for field in dataclasses.fields(model)}
    hints = typing.get_type_hints(model)
    if node.get("type") != "object" or node.get("additionalProperties") is not False:
        yield f"{path} is no closed object"
    if set(node["properties"]) != set(fields):
        yield f"{path} has {set(node['properties']) ^ set(fields)} on one side only"
    for name, inner in node["properties"].items():
        field = fields[name]
        unset = dataclasses.MISSING
        default = field.default if field.default_factory is unset else field.default_factory()
        if (default is unset) != (name in node["required"]):
            yield f"{path}.{name} is required on one side only"
        # A part that is left out is the part with all its own defaults.
        is_part = dataclasses.is_dataclass(default) or default == {}
        if default not in (unset, None) and not is_part and inner.get("default") != _plain(default):
            yield f"{path}.{name} defaults to {default!r} in the model, {inner.get('default')!r} in the schema"
        if (default in (unset, None) or is_part) and "default" in inner:
            yield f"{path}.{name} has a default in the schema only"
        yield from differences(inner, hints[name], f"{path}.{name}")


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def test_the_comparison_sees_differences() -> None:
    @dataclasses.dataclass(frozen=True)
    class Model:
        a: int
        b: str = "x"
        c: typing.Literal["p", "q"] = "p"

    good = {
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "string", "default": "x"},
            "c": {"enum": ["p", "q"], "default": "p"},
        },
    }
    # A class inside a function is resolved here, for its annotations are plain types.
    assert list(differences(good, Model, "m")) == []
    for change in (
        {"required": []},
        {"required": ["a", "b"]},
        {"additionalProperties": True},
        {"properties": {**good["properties"], "d": {"type": "string"}}},
        {"properties": {**good["properties"], "b": {"type": "string", "default": "y"}}},
        {"properties": {**good["properties"], "b": {"type": "string"}}},
        {"properties": {**good["properties"], "b": {"type": "integer", "default": "x"}}},
        {"properties": {**good["properties"], "c": {"enum": ["p"], "default": "p"}}},
    ):
        try:
            assert list(differences({**good, **change}, Model, "m")) != []
        except KeyError as missing:
            assert missing.args == ("d",)


def test_volume_types_have_limits() -> None:
    assert set(LIMITS) == set(typing.get_args(VolumeType))


def test_numbers_in_the_schema_hold_every_type_s_limits() -> None:
    volume = schema("spec")["properties"]["destination"]["properties"]["volume"]["properties"]
    size = schema("spec")["properties"]["source"]["properties"]["disks"]["items"]["properties"]["size_gib"]
    iops = [limits.iops for limits in LIMITS.values() if limits.iops]
    throughput = [limits.throughput for limits in LIMITS.values() if limits.throughput]
    for node, ranges in (
        (volume["iops"], iops),
        (volume["throughput"], throughput),
        (size, [limits.gib for limits in LIMITS.values()]),
    ):
        assert node["minimum"] == min(low for low, _ in ranges)
        assert node["maximum"] == max(high for _, high in ranges)


def test_integers_are_not_floats_and_patterns_end_at_the_end() -> None:
    checker = validator("outputs")
    assert not checker.evolve(schema={"type": "integer"}).is_valid(1.0)
    assert not checker.evolve(schema={"type": "integer"}).is_valid(True)
    assert not checker.evolve(schema={"pattern": "^a$"}).is_valid("a\n")
    assert checker.evolve(schema={"pattern": "^a$"}).is_valid("a")
    assert checker.evolve(schema={"pattern": "a"}).is_valid("bab")
