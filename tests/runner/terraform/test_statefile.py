"""A state file that real Terraform wrote, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.terraform.statefile import NO_STATE, StateUnreadable, parse_state
from schemas.document import DocumentDamaged

REAL = (Path(__file__).parents[2] / "stacks" / "data" / "launched.tfstate").read_bytes()


def test_a_real_state() -> None:
    """Against a plain look into the same JSON."""
    state, document = parse_state(REAL, "here"), json.loads(REAL)
    assert (state.lineage, state.serial) == (document["lineage"], document["serial"])
    assert {a.split("[")[0] for a in state.resources} == {f"{r['type']}.{r['name']}" for r in document["resources"]}
    assert "aws_instance.destination[0]" in state.resources
    assert state.outputs is not None
    assert state.outputs.volumes == document["outputs"]["volumes"]["value"]
    assert state.tainted == frozenset()


@pytest.mark.parametrize("nothing", [b"", b"\n"])
def test_nothing_is_no_state(nothing: bytes) -> None:
    assert parse_state(nothing, "here") == NO_STATE


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"version": 3}', b'{"version": 4}', REAL[:-10]])
def test_a_broken_state_is_refused(broken: bytes) -> None:
    with pytest.raises(StateUnreadable, match="here"):
        parse_state(broken, "here")


def test_outputs_of_another_contract_are_refused() -> None:
    document = json.loads(REAL)
    document["outputs"]["contract"]["value"] = 2
    with pytest.raises(DocumentDamaged):
        parse_state(json.dumps(document).encode(), "here")
