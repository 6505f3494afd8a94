"""Documents that cross a process boundary: checked against their JSON Schema, then turned into frozen models."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

import cattrs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from schemas.errors import IntegrityViolated

Kind = Literal["spec", "outputs", "manifest", "event"]
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


@cache
def validator(kind: Kind) -> Draft202012Validator:
    """The validator of a kind of document."""
    schema = json.loads(files("schemas").joinpath(f"{kind}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def path_of(error: ValidationError) -> str:
    """The place of an error as users write it: ``source.disks[1].path``."""
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    return path


def structure(document: Any, model: type[Model]) -> Model:
    """A checked document as its model."""
    return _CONVERTER.structure(document, model)


def unstructure(model: object) -> Any:
    """A model as plain JSON values."""
    return _CONVERTER.unstructure(model)


def read_document(text: str | bytes, kind: Kind, model: type[Model], where: str) -> Model:
    """Parse, check and structure one JSON document of ours. Raises `DocumentDamaged`, naming the first fault."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DocumentDamaged(kind, where, f"it is no JSON ({error})") from error
    fault = next(iter(validator(kind).iter_errors(document)), None)
    if fault is not None:
        raise DocumentDamaged(kind, where, f"{path_of(fault) or 'the document'}: {fault.message[:200]}")
    return structure(document, model)


def write_document(model: object, kind: Kind) -> str:
    """Unstructure and check a model; the JSON text that `read_document` takes. A fault here is a bug of ours."""
    document = unstructure(model)
    fault = next(iter(validator(kind).iter_errors(document)), None)
    if fault is not None:
        raise DocumentDamaged(kind, "(being written)", f"{path_of(fault)}: {fault.message[:200]}")
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
