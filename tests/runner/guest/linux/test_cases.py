"""What every Linux guest gets: one file a case, facts in, steps out; expected is what the pages say that each cites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.guest import linux, reading_list
from runner.guest.edits import Aside, Link, Move, Note, Step, Write, record
from runner.guest.facts import FileSystem, GuestFacts, Options, SymbolicLink, TextFile
from schemas.errors import Refused
from tests.runner.guest import case_files, simulation
from tests.runner.guest.conftest import FACTS

CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in CASES]
KEYS = frozenset(
    {"about", "disks", "file_systems", "root", "paths", "files", "links", "cloud_init"}
    | {
        *("refused", "writes", "not_kept", "asides", "moves", "links_made", "notes", "initramfs"),
    }
)
# DHCP on eth0 by ifupdown: nothing to do, so that a case's steps are those of its own matter.
QUIET = {"/etc/network/interfaces": "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"}
QUIET_PATHS = ("/sbin/ifup", "/sbin/dhclient")


@pytest.fixture(params=CASES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return case_files.read(request.param, KEYS)


def file_system(said: str) -> FileSystem:
    """`device type uuid label partuuid disk partition partlabel links...`, `-` for what is not there."""
    words = [None if word == "-" else word.replace("\\040", " ") for word in said.split()]
    device, kind, uuid, label, part_uuid, disk, partition, part_label = (words + [None] * 8)[:8]
    assert device
    place = [None if each is None else int(each) for each in (disk, partition)]
    links = tuple(f"/dev/disk/by-id/{word}" for word in words[8:])
    return FileSystem(device, kind or "", uuid or "", label or "", part_uuid or "", *place, part_label or "", links)


def facts_of(case: dict[str, Any]) -> GuestFacts:
    files = {**QUIET, **case.get("files", {})}
    told = [file_system(said) for said in case.get("file_systems", [])]
    return replace(
        FACTS,
        root=case.get("root", FACTS.root),
        disks=case.get("disks", FACTS.disks),
        file_systems=tuple(told) or FACTS.file_systems,
        files=tuple(TextFile(path, text) for path, text in files.items()),
        paths=(*QUIET_PATHS, *case.get("paths", [])),
        links=tuple(SymbolicLink(path, target) for path, target in case.get("links", {}).items()),
    )


def told(steps: list[Step]) -> dict[str, Any]:
    """The steps as a case says them."""
    return {
        "writes": {step.path: step.text for step in steps if isinstance(step, Write)},
        "not_kept": [step.path for step in steps if isinstance(step, Write) and not step.keep],
        "asides": [step.path for step in steps if isinstance(step, Aside)],
        "moves": {step.path: step.to for step in steps if isinstance(step, Move)},
        "links_made": {step.path: step.target for step in steps if isinstance(step, Link)},
    }


def test_case(case: dict[str, Any]) -> None:
    facts, options = facts_of(case), Options("keep", cloud_init=case.get("cloud_init", "limit"))
    if "refused" in case:
        with pytest.raises(Refused) as refusal:
            linux.decide(facts, options)
        fields = {"kind": type(refusal.value).__name__, **vars(refusal.value)}
        assert {name: fields[name] for name in case["refused"]} == case["refused"]
        return
    steps = linux.decide(facts, options)
    expected = {name: case.get(name, [] if name in ("asides", "not_kept") else {}) for name in told([])}
    assert told(steps) == expected
    notes = {step.path: step.why for step in steps if isinstance(step, Note)}
    assert set(notes) == set(case.get("notes", {}))
    for path, said in case.get("notes", {}).items():
        assert said in notes[path]
    assert linux.changes_initramfs(steps) is case.get("initramfs", False)
    assert all(record(step).why for step in steps)
    # Nothing is left to do; what was told of files that stay is told again.
    again = linux.decide(simulation.after(facts, steps), options)
    assert [step for step in again if not isinstance(step, Note)] == []
    assert {step.path: step.why for step in again}.items() <= notes.items()


def test_the_probe_reads_what_the_cases_give(case: dict[str, Any]) -> None:
    assert [path for path in case.get("files", {}) if not simulation.is_read(path)] == []
    assert set(case.get("paths", [])) <= set(reading_list.PATHS)
    assert set(case.get("links", {})) <= set(reading_list.LINKS)
