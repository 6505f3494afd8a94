"""The network of guests: one file a case, facts in, edits out; expected is what the pages say that each file cites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.guest import reading_list
from runner.guest.edits import Aside, Write, record
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network import table
from runner.guest.refusals import NetworkUnknown, StaticNetwork
from tests.runner.guest import case_files, simulation

CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in CASES]
KEYS = frozenset(
    {"about", "network", "paths", "files", "in_force", "refused", "unknown", "says"}
    | {
        *("asides", "writes", "kept", "modes"),
    }
)


@pytest.fixture(params=CASES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return case_files.read(request.param, KEYS)


def facts_of(case: dict[str, Any]) -> GuestFacts:
    files = tuple(TextFile(path, text) for path, text in case["files"].items())
    assert set(case["paths"]) <= set(reading_list.PATHS), "the probe does not look for it"
    return GuestFacts(
        *("linux", "any", "1", "Any Linux 1", ("bios",), "/dev/sda1", 1, (), (), ()),
        files=files,
        paths=tuple(case["paths"]),
    )


def settings_of(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def test_case(case: dict[str, Any]) -> None:
    facts = facts_of(case)
    network = case.get("network", "dhcp")
    if "unknown" in case:
        with pytest.raises(NetworkUnknown, match=case["unknown"]):
            table.decide(facts, network)
        return
    found = table.in_force(facts)
    assert found is not None and found.name == case["in_force"]
    if "refused" in case:
        with pytest.raises(StaticNetwork) as refusal:
            table.decide(facts, network)
        told = {name: getattr(refusal.value, name) for name in ("file", "line", "address")}
        assert told == case["refused"]
        assert table.decide(facts, "dhcp")
        return
    steps = table.decide(facts, network)
    writes = [step for step in steps if isinstance(step, Write)]
    assert {step.path: settings_of(step.text) for step in writes} == case.get("writes", {})
    asides = [step for step in steps if isinstance(step, Aside)]
    assert {step.path: step.path + step.suffix for step in asides} == case.get("asides", {})
    assert len(writes) + len(asides) == len(steps)
    assert {step.path: step.mode for step in writes if step.mode is not None} == {
        path: int(str(mode), 8) for path, mode in case.get("modes", {}).items()
    }
    for path, kept in case.get("kept", {}).items():
        assert [(step.keep, step.path + step.suffix) for step in writes if step.path == path] == [(True, kept)]
    said = " ".join(record(step).why for step in steps)
    assert [word for word in case.get("says", []) if word not in said] == []
    again = simulation.after(facts, steps)
    # Nothing is left to do, and nothing that the default would refuse.
    assert table.decide(again, "keep") == []
    assert table.in_force(again) is found


def test_the_probe_reads_what_the_cases_give(case: dict[str, Any]) -> None:
    assert [path for path in case["files"] if not simulation.is_read(path)] == []
    # What is put aside is read by no one, the probe neither.
    assert [kept for kept in case.get("asides", {}).values() if simulation.is_read(kept)] == []


def test_every_system_has_its_cases() -> None:
    told = {case_files.read(path, KEYS).get("in_force") for path in CASES}
    assert {system.name for system in table.SYSTEMS} <= told


def test_inspect_tells_the_system_in_force_first(make_facts: Any) -> None:
    facts = make_facts({"/etc/netplan/01.yaml": "network: {ethernets: {ens192: {dhcp4: true}}}"})
    facts = replace(facts, paths=(*facts.paths, "/usr/sbin/netplan"))
    assert table.told(facts) == (
        "netplan (/etc/netplan/01.yaml)",
        "ifupdown (/etc/network/interfaces), not in force",
    )
    assert table.told(make_facts({"/etc/network/interfaces": None})) == ()
