"""The facts of a guest cross a process border, those of volumes without a place on a disk too."""

from __future__ import annotations

import json

from runner.guest.facts import GuestFacts
from runner.guest.worker import Answer
from schemas.document import structure, unstructure


def test_volumes_on_lvm_cross_the_border(make_facts) -> None:
    facts: GuestFacts = make_facts()
    assert any(fs.disk is None and fs.partition is None for fs in facts.file_systems)
    assert structure(json.loads(json.dumps(unstructure(Answer(facts)))), Answer) == Answer(facts)
