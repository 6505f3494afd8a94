"""The rules a JSON Schema cannot say: between the values of one spec, and between specs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.limits import size_faults, volume_faults
from schemas.location import location_fault
from schemas.naming import node_stack
from schemas.problem import Place, Problem
from schemas.slots import LIMIT
from schemas.spec import DeclaredNode, Spec


class Fault(NamedTuple):
    """A broken rule: where in the spec, one sentence, one hint."""

    place: Place
    sentence: str
    hint: str


def spec_faults(spec: Spec) -> Iterator[Fault]:
    """Every rule that a spec of the right shape still breaks."""
    yield from _disk_faults(spec)
    for key, sentence, hint in volume_faults(spec.destination.volume):
        yield Fault(("destination", "volume", key), sentence, hint)
    if spec.name.startswith(node_stack("")):
        sentence = f"Names that begin with {node_stack('')} are those of access nodes' stacks."
        yield Fault(("name",), sentence, "Give the replication another name.")
    yield from _drill_faults(spec)
    if not spec.availability_zone.startswith(spec.region):
        sentence = f"{spec.availability_zone} is not in {spec.region}."
        yield Fault(("availability_zone",), sentence, "Name a zone of the region.")


def _disk_faults(spec: Spec) -> Iterator[Fault]:
    disks = spec.source.disks
    everywhere: Place = ("source", "disks")
    seen: dict[str, int] = {}
    for at, disk in enumerate(disks):
        if disk.id in seen:
            sentence = f"The id {disk.id} is also that of disks[{seen[disk.id]}]."
            yield Fault((*everywhere, at, "id"), sentence, "Ids are unique: give one of them another.")
        seen.setdefault(disk.id, at)
        if fault := location_fault(disk.path, disk.format):
            yield Fault((*everywhere, at, "path"), *fault)
        if disk.member and disk.format not in ("ova", "ovf"):
            sentence = f"The format {disk.format} is no package of several disks."
            yield Fault((*everywhere, at, "member"), sentence, "Leave it out, or state `format: ova` or `ovf`.")
        for sentence, hint in size_faults(spec.destination.volume, disk.size_gib):
            yield Fault((*everywhere, at, "size_gib"), sentence, hint)
    booting = [disk.id for disk in disks if disk.boot]
    if len(booting) != 1:
        found = "none does" if not booting else f"{', '.join(booting)} do"
        yield Fault(everywhere, f"Exactly one disk boots; {found}.", "Set `boot: true` on one disk.")
    limit = LIMIT[spec.source.os]
    if len(disks) > limit:
        sentence = f"{len(disks)} disks, but HotAdd takes {limit} at a time for a {spec.source.os} guest."
        yield Fault(everywhere, sentence, "Replicate fewer disks in one spec.")


def _drill_faults(spec: Spec) -> Iterator[Fault]:
    for at, check in enumerate(spec.drill.checks):
        place: Place = ("drill", "checks", at)
        if sum(one is not None for one in (check.console, check.tcp, check.ssm)) != 1:
            yield Fault(place, "A check is one of console, tcp and ssm.", "Make each of them a check of its own.")
        if check.expect is not None and check.ssm is None:
            yield Fault((*place, "expect"), "Only the output of an ssm command is expected.", "Leave it out.")
        for key, pattern in (("console", check.console), ("expect", check.expect)):
            try:
                re.compile(pattern or "")
            except re.error as error:
                yield Fault((*place, key), f"It is no regular expression: {error}.", "Escape what is meant as it is.")


def clashes(loaded: Sequence[tuple[Path, Spec]]) -> Iterator[Problem]:
    """What only shows between specs: a name used twice, an access node declared in two ways."""
    names: dict[str, Path] = {}
    nodes: dict[str, tuple[Path, tuple[DeclaredNode, str, str]]] = {}
    for file, spec in loaded:
        if spec.name in names:
            sentence = f"The name {spec.name} is also that of {names[spec.name]}."
            yield Problem(str(file), 0, "name", sentence, "Names are unique: give one of them another.")
        names.setdefault(spec.name, file)
        node = spec.access_node.declare
        if node is None:
            continue
        said = (node, spec.region, spec.availability_zone)
        other, before = nodes.setdefault(node.name, (file, said))
        if before != said:
            sentence = f"The access node {node.name} is declared differently in {other}."
            hint = "Say the same in both, zone and all, or give one of them another name."
            yield Problem(str(file), 0, "access_node.declare", sentence, hint)
