"""The facts of a guest cross a process border, those of volumes without a place on a disk too."""

from __future__ import annotations

import inspect
import json

import pytest

from runner.guest.facts import GuestFacts
from runner.guest.refusals import revive, values_of
from runner.guest.storage import refusals
from runner.guest.worker import Answer
from schemas.document import structure, unstructure
from schemas.errors import Refused


def test_volumes_on_lvm_cross_the_border(make_facts) -> None:
    facts: GuestFacts = make_facts()
    assert any(fs.disk is None and fs.partition is None for fs in facts.file_systems)
    assert structure(json.loads(json.dumps(unstructure(Answer(facts)))), Answer) == Answer(facts)


@pytest.mark.parametrize("kind", refusals.KINDS, ids=lambda kind: kind.__name__)
def test_refusals_cross_it_with_their_fields(kind: type[Refused]) -> None:
    parameters = [each for name, each in inspect.signature(kind).parameters.items() if name != "self"]
    refusal = kind(**{each.name: 7 if each.annotation == "int" else f"<{each.name}>" for each in parameters})
    again = revive(kind.__name__, values_of(refusal))
    assert type(again) is kind and again.sentence == refusal.sentence and again.hint == refusal.hint
    assert "<device>" in again.sentence or "device" not in inspect.signature(kind).parameters
