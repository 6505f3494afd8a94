"""The journal: whole lines, in order, readable again, and a cut last line passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.journal import Journal, read_events
from schemas.errors import Refused
from schemas.event import Event


def test_a_step_is_noted_as_it_goes(tmp_path: Path) -> None:
    seen: list[Event] = []
    journal = Journal("web01", tmp_path / "work" / "events.jsonl", seen.append)
    with journal.step("restore"):
        journal.progress("restore", "root", 5, 10, "1 MB/s")
        journal.tell("restore", "A note.")
    lines = [json.loads(line) for line in (tmp_path / "work" / "events.jsonl").read_text().splitlines()]
    assert [(e["step"], e["status"]) for e in lines] == [
        ("restore", "started"),
        ("restore", "progress"),
        ("restore", "note"),
        ("restore", "finished"),
    ]
    assert (lines[1]["bytes_done"], lines[1]["bytes_total"], lines[1]["disk"]) == (5, 10, "root")
    assert read_events(tmp_path / "work" / "events.jsonl") == seen


def test_a_failed_step_tells_its_error_and_lets_it_through(tmp_path: Path) -> None:
    journal = Journal("web01", tmp_path / "events.jsonl", lambda event: None)
    with pytest.raises(Refused), journal.step("preflight"):
        raise Refused("It is not so.", "Make it so.")
    last = read_events(tmp_path / "events.jsonl")[-1]
    assert (last.status, last.message) == ("failed", "It is not so.")


def test_a_line_cut_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    journal = Journal("web01", file, lambda event: None)
    journal.tell("start", "One.")
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert [event.message for event in read_events(file)] == ["One."]
    journal.tell("start", "Two.")
    assert [event.message for event in read_events(file)] == ["One.", "Two."]
