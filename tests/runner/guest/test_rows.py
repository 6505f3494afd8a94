"""Every row of the support matrix: the guest as its distribution makes it, and what conversion changes in it."""

from __future__ import annotations

import shlex

import pytest

from runner.guest import support, verdict
from runner.guest.edits import Note, Rebuild, Relabel, Write
from runner.guest.facts import Options
from runner.guest.families import table
from runner.guest.network import table as network
from schemas.guests import matrix
from tests.runner.guest import matrix_row
from tests.runner.guest.simulation import after

NAMES = sorted(path.stem for path in matrix_row.ROWS.glob("*.yaml"))
OPTIONS = {firmware: Options("dhcp", os="linux", firmware=firmware) for firmware in ("bios", "uefi")}
NEEDED = {"nitro": {"nvme", "ena"}, "xen": {"xen_blkfront", "xen_netfront"}}


def test_every_row_of_the_matrix_has_its_guest() -> None:
    assert sorted(row.id for row in matrix().linux) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_in_the_matrix(name: str) -> None:
    facts, expected = matrix_row.facts_of(name), matrix_row.read(name)["expect"]
    row = support.row_of(facts)
    assert row is not None and row.id == name
    fit = {one: verdict.fitness(facts, one, "bios").boots for one in verdict.HYPERVISORS}
    assert fit == {"nitro": expected["nitro"], "xen": expected["xen"]}
    promised = {"nitro": row.nitro, "xen": row.xen}
    assert all(fit[one] is (promised[one] == "yes") for one in fit if promised[one] != "by kernel")
    kernel = facts.default_kernel
    assert kernel is not None and kernel.version == matrix_row.versions_of(name)[0]
    system = network.in_force(facts)
    assert system is not None and system.name.lower().replace("systemd-", "") == expected["network"]
    assert expected["network"] in row.networks


@pytest.mark.parametrize("name", NAMES)
def test_its_edits(name: str) -> None:
    facts, expected = matrix_row.facts_of(name), matrix_row.read(name)["expect"]
    options = OPTIONS[facts.firmwares[0]]
    decision = table.decide(facts, options)
    steps = [step for step in decision.steps if not isinstance(step, Note | Rebuild | Relabel)]
    assert any(isinstance(step, Relabel) for step in decision.steps) is expected.get("relabel", False)
    assert sorted(step.path for step in steps) == sorted(matrix_row.fill(name, path) for path in expected["changed"])
    texts = {step.path: step.text for step in steps if isinstance(step, Write)}
    for path, lines in expected["lines"].items():
        if not lines:  # the row that this one is like has a file which this one has not
            continue
        found = [line.strip() for line in texts[matrix_row.fill(name, path)].splitlines()]
        assert [line for line in lines if matrix_row.fill(name, line) not in found] == [], found
    for path, words in expected.get("gone", {}).items():
        assert [word for word in words if word in texts[matrix_row.fill(name, path)]] == []
    rebuilds = [step for step in decision.steps if isinstance(step, Rebuild)]
    assert [step.kernel for step in rebuilds] == list(matrix_row.versions_of(name))
    assert {step.modules for step in rebuilds} == {tuple(expected["modules"])}
    said = shlex.join(rebuilds[0].command)
    assert [word for word in expected["rebuild"] if matrix_row.fill(name, word) not in said] == [], said
    again = table.decide(after(facts, decision.steps), options)
    assert [step for step in again.steps if not isinstance(step, Note)] == []
