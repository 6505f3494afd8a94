"""Plans as text and markdown: dangers first, totals always, never longer than a comment may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.plan.machine import plan_machine
from runner.plan.markdown import MOST, markdown_of
from runner.plan.text import text_of
from runner.plan.wording import minutes_in_words, size_in_words
from runner.plan.world import World
from schemas.document import read_document, write_document
from schemas.plan import MachinePlan, PlanDocument
from tests.runner.plan.conftest import INSTANCE, SPEC, manifest, state

COMMENT = 65_536  # GitHub's limit for the body of a comment


def document(*machines: MachinePlan) -> PlanDocument:
    return PlanDocument(1, "0.1.0", "2026-11-23T06:10:14.000Z", machines)


@pytest.fixture
def machine(world: Callable[..., World]) -> MachinePlan:
    return plan_machine(world(state=state("target"), manifest=manifest()))


def test_the_text_says_each_step_and_each_action(machine: MachinePlan) -> None:
    lines = text_of(document(machine)).splitlines()
    assert lines[0].startswith(f"STOP web01: The destination {INSTANCE} is stopped if it runs")
    for step in machine.steps:
        assert any(f". {step.name} " in line and step.sentence in line for line in lines)
    for apply in machine.applies:
        for action in apply.actions:
            assert any(action.verb in line and action.address in line for line in lines)
    assert "(predicted)" in "\n".join(lines)


def test_dangers_of_all_machines_come_before_any_machine(machine: MachinePlan, world: Callable[..., World]) -> None:
    gone = plan_machine(world(spec=replace(SPEC, decommission=True), state=state("target"), manifest=manifest()))
    gone = replace(gone, replication="zz")
    text = text_of(document(machine, gone))
    markdown = markdown_of(document(machine, gone))
    assert text.index("DESTROY zz") < text.index("STOP web01") < text.index("web01: An incremental")
    assert markdown.index("**destroy** `zz`") < markdown.index("**stop** `web01`") < markdown.index("| machine |")


@pytest.mark.parametrize("count", [1, 20, 200, pytest.param(3000, marks=pytest.mark.thorough)])
def test_the_markdown_fits_into_a_comment(machine: MachinePlan, count: int) -> None:
    machines = tuple(replace(machine, replication=f"machine-{at:04}") for at in range(count))
    text = markdown_of(document(*machines))
    assert len(text) <= MOST < COMMENT
    rows = text.count("| machine-")
    assert rows == count or f"And {count - rows} machines more" in text
    assert text.count("<details>") == text.count("</details>")
    assert f"{count} incremental" in text
    if count == 1:
        assert "aws_volume_attachment.target_disk_root[0]" in text


def test_a_document_is_read_as_it_was_written(machine: MachinePlan) -> None:
    whole = document(machine)
    assert read_document(write_document(whole, "plan"), "plan", PlanDocument, "here") == whole


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1 << 20, "1.0 MiB"), (240 << 30, "240 GiB"), (1 << 50, "1024 TiB")],
)
def test_sizes(size: int, words: str) -> None:
    assert size_in_words(size) == words


@pytest.mark.parametrize(("minutes", "words"), [(0.2, "under a minute"), (34.2, "about 34 min"), (162, "about 2.7 h")])
def test_times(minutes: float, words: str) -> None:
    assert minutes_in_words(minutes) == words
