"""From a spec file to a frozen `Spec`: read, checked against the schema and against the rules a schema cannot say."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError

from schemas.document import structure, validator
from schemas.limits import volume_faults
from schemas.problem import Problem, SpecInvalid
from schemas.reading import Place, Read, read, written
from schemas.slots import LIMIT
from schemas.spec import Spec


def load_spec(file: Path) -> Spec:
    """Load one spec. Raises `SpecInvalid` with every fault that was found."""
    return check_spec(read(file))


def load_specs(files: Sequence[Path]) -> list[Spec]:
    """Load several specs; the faults of all of them are raised together."""
    specs: list[Spec] = []
    problems: list[Problem] = []
    for file in files:
        try:
            specs.append(load_spec(file))
        except SpecInvalid as error:
            problems += error.problems
    names: dict[str, Path] = {}
    for spec, file in zip(specs, files, strict=False):
        if not problems and spec.name in names:
            sentence = f"The name {spec.name} is also that of {names[spec.name]}."
            problems.append(Problem(str(file), 0, "name", sentence, "Names are unique: give one of them another."))
        names[spec.name] = file
    if problems:
        raise SpecInvalid(problems)
    return specs


def check_spec(document: Read) -> Spec:
    """Check a document that was read, and structure it. Raises `SpecInvalid` with every fault."""
    problems = [p for e in validator("spec").iter_errors(document.value) for p in _problems(document, e)]
    # Rules between values only make sense on values of the right shape.
    if not problems:
        problems = list(_rules(document))
    if problems:
        raise SpecInvalid(sorted(problems, key=lambda p: (p.line, p.path)))
    return _absolute(structure(document.value, Spec), document.file.resolve().parent)


def _absolute(spec: Spec, base: Path) -> Spec:
    disks = tuple(dataclasses.replace(d, path=str(base / d.path)) for d in spec.source.disks)
    backend = spec.backend
    if backend.local is not None:
        local = dataclasses.replace(backend.local, path=str((base / backend.local.path).resolve()))
        backend = dataclasses.replace(backend, local=local)
    return dataclasses.replace(spec, source=dataclasses.replace(spec.source, disks=disks), backend=backend)


def _problems(document: Read, error: ValidationError) -> Iterator[Problem]:
    """The faults one schema error stands for: one a missing or unknown key."""
    place: Place = tuple(error.absolute_path)
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        for key in error.instance:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}."
                yield _at(document, (*place, key), "This key is unknown.", hint)
    elif error.validator == "required":
        for key in schema["required"]:
            if key not in error.instance and f"'{key}'" in error.message:
                yield _at(document, (*place, key), "This key is missing.", _meaning(schema["properties"][key]))
    elif error.validator in ("minProperties", "maxProperties"):
        keys = " or ".join(schema.get("properties", {})) or "fewer keys"
        yield _at(document, place, f"It takes exactly one of: {keys}.", "Keep one of them.")
    else:
        yield _at(document, place, _sentence(error), _meaning(schema))


def _sentence(error: ValidationError) -> str:
    value = repr(error.instance)
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
        case "maxItems":
            return f"It takes {rule} at most."
        case "uniqueItems":
            return "A value stands twice."
        case "minLength":
            return "It is empty."
        case _:
            return f"{shown}: {error.message[:120]}."


def _meaning(schema: Any) -> str:
    example = schema.get("examples", [None])[0] if isinstance(schema, dict) else None
    meaning = schema.get("description", "") if isinstance(schema, dict) else ""
    return f"{meaning} For example: {example}." if isinstance(example, str | int) else meaning


def _at(document: Read, place: Place, sentence: str, hint: str) -> Problem:
    return Problem(str(document.file), document.line(place), written(place), sentence, hint)


def _rules(document: Read) -> Iterator[Problem]:
    spec = structure(document.value, Spec)
    disks = spec.source.disks
    seen: dict[str, int] = {}
    for at, disk in enumerate(disks):
        place: Place = ("source", "disks", at)
        if disk.id in seen:
            sentence = f"The id {disk.id} is also that of disks[{seen[disk.id]}]."
            yield _at(document, (*place, "id"), sentence, "Ids are unique: give one of them another.")
        seen.setdefault(disk.id, at)
        for key, sentence, hint in volume_faults(spec.destination.volume, disk.size_gib):
            inside: Place = ("destination", "volume", key) if key != "size_gib" else (*place, key)
            yield _at(document, inside, sentence, hint)
    booting = [d.id for d in disks if d.boot]
    if len(booting) != 1:
        found = "none does" if not booting else f"{', '.join(booting)} do"
        yield _at(document, ("source", "disks"), f"Exactly one disk boots; {found}.", "Set `boot: true` on one disk.")
    limit = LIMIT[spec.source.os]
    if len(disks) > limit:
        sentence = f"{len(disks)} disks, but HotAdd takes {limit} at a time for a {spec.source.os} guest."
        yield _at(document, ("source", "disks"), sentence, "Replicate fewer disks in one spec.")
    if not spec.availability_zone.startswith(spec.region):
        sentence = f"{spec.availability_zone} is not in {spec.region}."
        yield _at(document, ("availability_zone",), sentence, "Name a zone of the region.")
