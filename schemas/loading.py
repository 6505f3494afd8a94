"""From a spec file to a frozen `Spec`: read, checked against the schema and against the rules a schema cannot say."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError

from schemas.document import structure, validator
from schemas.location import is_local
from schemas.problem import Place, Problem, SpecInvalid, written
from schemas.reading import Read, read
from schemas.rules import clashes, spec_faults
from schemas.spec import Disk, Spec


def load_spec(file: Path) -> Spec:
    """Load one spec. Raises `SpecInvalid` with every fault that was found."""
    return check_spec(read(file))


def load_specs(files: Sequence[Path]) -> list[Spec]:
    """Load several specs; the faults of all of them, and those between them, are raised together."""
    loaded: list[tuple[Path, Spec]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            loaded.append((file, load_spec(file)))
        except SpecInvalid as error:
            problems += error.problems
    problems += clashes(loaded)
    if problems:
        raise SpecInvalid(problems)
    return [spec for _, spec in loaded]


def check_spec(document: Read) -> Spec:
    """Check a document that was read, and structure it. Raises `SpecInvalid` with every fault."""
    problems = [p for e in validator("spec").iter_errors(document.value) for p in _problems(document, e)]
    # Rules between values only make sense on values of the right shape.
    spec: Spec | None = None
    if not problems:
        spec = structure(document.value, Spec)
        problems = [_at(document, *fault) for fault in spec_faults(spec)]
    if spec is None or problems:
        raise SpecInvalid(sorted(problems, key=lambda p: (p.line, p.path)))
    return _absolute(spec, document.file.resolve().parent)


def _absolute(spec: Spec, base: Path) -> Spec:
    disks = tuple(_absolute_disk(disk, base) for disk in spec.source.disks)
    backend = spec.backend
    if backend.local is not None:
        local = dataclasses.replace(backend.local, path=str((base / backend.local.path).resolve()))
        backend = dataclasses.replace(backend, local=local)
    guest = spec.guest
    if guest.drivers is not None:
        guest = dataclasses.replace(guest, drivers=str((base / guest.drivers).resolve()))
    guest = dataclasses.replace(guest, luks_keys=tuple(str(base / key) for key in guest.luks_keys))
    source = dataclasses.replace(spec.source, disks=disks)
    return dataclasses.replace(spec, source=source, backend=backend, guest=guest)


def _absolute_disk(disk: Disk, base: Path) -> Disk:
    path = str(base / disk.path) if is_local(disk.path) else disk.path
    changes = None if disk.changes is None else str(base / disk.changes)
    return dataclasses.replace(disk, path=path, changes=changes)


def _problems(document: Read, error: ValidationError) -> Iterator[Problem]:
    """The faults one schema error stands for: one a missing or unknown key."""
    place: Place = tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for key in instance:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}."
                yield _at(document, (*place, key), "This key is unknown.", hint)
    elif error.validator == "required":
        for key in schema["required"]:
            if key not in instance and f"'{key}'" in error.message:
                yield _at(document, (*place, key), "This key is missing.", _meaning(schema["properties"][key]))
    elif error.validator in ("minProperties", "maxProperties") and "properties" in schema:
        keys = " or ".join(schema["properties"])
        yield _at(document, place, f"It takes exactly one of: {keys}.", "Keep one of them.")
    elif "propertyNames" in error.absolute_schema_path:
        yield _at(document, (*place, instance), "This key is not allowed.", _meaning(schema))
    elif error.validator == "type" and error.validator_value == "string" and isinstance(instance, int | float):
        yield _at(document, place, _sentence(error), "Put it in quotes: YAML reads it as a number or a truth value.")
    else:
        yield _at(document, place, _sentence(error), _meaning(schema))


def _sentence(error: ValidationError) -> str:
    value = json.dumps(error.instance, ensure_ascii=False)
    shown = value if len(value) <= 60 else value[:57] + "..."
    rule: Any = error.validator_value
    match error.validator:
        case "type":
            return f"{shown} is no {rule}."
        case "enum":
            close = difflib.get_close_matches(str(error.instance), [str(r) for r in rule], 1)
            return f"{shown} is none of {', '.join(map(str, rule))}." + (f" Did you mean {close[0]}?" if close else "")
        case "const":
            return f"{shown} is not {rule}."
        case "minimum":
            return f"{shown} is less than {rule}."
        case "maximum":
            return f"{shown} is more than {rule}."
        case "pattern":
            return f"{shown} does not look right."
        case "minItems":
            return f"It needs at least {rule}."
        case "maxItems" | "maxProperties":
            return f"It takes {rule} at most."
        case "uniqueItems":
            return "A value stands twice."
        case "minLength":
            return "It is empty."
        case "maxLength":
            return f"It is longer than {rule} characters."
        case _:
            return f"{shown}: {error.message[:120]}."


def _meaning(schema: Any) -> str:
    example = schema.get("examples", [None])[0] if isinstance(schema, dict) else None
    meaning = schema.get("description", "") if isinstance(schema, dict) else ""
    return f"{meaning} For example: {example}." if isinstance(example, str | int) else meaning


def _at(document: Read, place: Place, sentence: str, hint: str) -> Problem:
    return Problem(str(document.file), document.line(place), written(place), sentence, hint)
