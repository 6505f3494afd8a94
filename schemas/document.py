"""Documents that cross a process boundary: checked against their JSON Schema, then turned into frozen models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

import cattrs
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from schemas.errors import IntegrityViolated
from schemas.problem import written

Kind = Literal[
    "spec",
    "outputs",
    "manifest",
    "event",
    "drill",
    "drill_request",
    "drift",
    "plan",
    "changes",
    "inspection",
    "guests",
    "drivers",
]
Model = TypeVar("Model")

_CONVERTER = cattrs.Converter(forbid_extra_keys=True, omit_if_default=False)


class DocumentDamaged(IntegrityViolated):
    """A document of ours does not follow its schema: another version wrote it, or something changed it."""

    def __init__(self, kind: Kind, where: str, fault: str) -> None:
        super().__init__(
            f"The {kind} at {where} is damaged: {fault}.",
            "Restore it from a backup; it was not written by this version of hotadd, or was changed afterwards.",
        )
        self.kind = kind
        self.where = where
        self.fault = fault


def _pattern(_: Validator, pattern: str, instance: object, __: object) -> Iterator[ValidationError]:
    """JSON Schema's patterns are ECMAScript's, where a final $ is the end; Python's also matches before a newline."""
    ecma = pattern.removesuffix("$") + (r"\Z" if pattern.endswith("$") else "")
    if isinstance(instance, str) and not re.search(ecma, instance):
        yield ValidationError(f"{instance[:80]!r} does not match {pattern!r}")


_Checker: type[Validator] = validators.extend(  # type: ignore[no-untyped-call]  # the stubs leave it bare
    Draft202012Validator,
    {"pattern": _pattern},
    # 40.0 is an integer to JSON Schema, but not to the models.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@cache
def validator(kind: Kind) -> Validator:
    """The validator of a kind of document."""
    schema = json.loads(files("schemas").joinpath(f"{kind}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return _Checker(schema)


def path_of(error: ValidationError) -> str:
    """The place of an error as users write it: ``source.disks[1].path``."""
    return written(tuple(error.absolute_path))


def structure(document: Any, model: type[Model]) -> Model:
    """A checked document as its model."""
    return _CONVERTER.structure(document, model)


def unstructure(model: object) -> Any:
    """A model as plain JSON values; fields that are None are left out, as "not set" is written everywhere."""
    return _without_none(_CONVERTER.unstructure(model))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def read_document(text: str | bytes, kind: Kind, model: type[Model], where: str) -> Model:
    """Parse, check and structure one JSON document of ours. Raises `DocumentDamaged`, naming the first fault."""
    try:
        document = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
        fault = next(iter(validator(kind).iter_errors(document)), None)
    except (ValueError, RecursionError) as error:
        raise DocumentDamaged(kind, where, f"it is no JSON ({error})") from error
    if fault is not None:
        raise DocumentDamaged(kind, where, f"{path_of(fault) or 'the document'}: {fault.message[:200]}")
    return structure(document, model)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def write_document(model: object, kind: Kind, *, one_line: bool = False) -> str:
    """Unstructure and check a model; the JSON text that `read_document` takes. A fault here is a bug of ours."""
    document = unstructure(model)
    fault = next(iter(validator(kind).iter_errors(document)), None)
    if fault is not None:
        raise DocumentDamaged(kind, "(being written)", f"{path_of(fault)}: {fault.message[:200]}")
    return json.dumps(document, indent=None if one_line else 2, sort_keys=True, allow_nan=False) + "\n"
