"""What is known of a machine in whatever state, and what is said of what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.cli.main import run
from runner.report.gather import gather
from runner.report.machine import Machine
from runner.report.page import page
from runner.report.steps import last_run
from tests.runner.report.document import parsed
from tests.runner.report.ground import BLOCK, Ground, Painted

pytestmark = pytest.mark.thorough

DISK = Painted("root", "DDCCZz")
NO_MAP = "No map: the digest file of generation 2 is"


def known(ground: Ground) -> Machine:
    return gather(ground.spec, ground.home, ground.manifests, cells=16)


def note(ground: Ground, step: str, status: str) -> None:
    """One more event."""
    event = {"time": "2026-11-23T09:00:00.000Z", "replication": ground.name, "step": step, "status": status}
    with ground.home.events.open("a") as file:
        file.write(json.dumps(event) + "\n")


def under_way(ground: Ground, kind: str = "incremental", generation: int = 3) -> None:
    """The record of a run, as workflows leave it."""
    (ground.home.work / "run.json").write_text(json.dumps({"kind": kind, "generation": generation}))


def failed(ground: Ground) -> None:
    under_way(ground)
    note(ground, "find and restore", "started")
    note(ground, "find and restore", "failed")


def killed(ground: Ground) -> None:
    under_way(ground)
    note(ground, "find and restore", "started")


def killed_between(ground: Ground) -> None:
    under_way(ground)


def by_hand(ground: Ground) -> None:
    ground.home.generation(3).mkdir()
    note(ground, "restore", "started")


def unnoted(ground: Ground) -> None:
    """All is done but taking the record away."""
    under_way(ground, generation=2)


def elsewhere(ground: Ground) -> None:
    """Another machine made it and is not done; of it, only manifests are to be seen."""
    newest = ground.manifests.read(2)
    assert newest is not None
    ground.manifests.write(replace(newest, status="prepared"))


@pytest.mark.parametrize(
    ("change", "state", "healthy"),
    [
        (failed, "failed in find and restore", False),
        (killed, "interrupted in find and restore", False),
        (killed_between, "interrupted after manifest finished", False),
        (by_hand, "interrupted in restore", False),
        (unnoted, "replicated", True),
        (elsewhere, "prepared", True),
    ],
)
def test_where_it_stands(tmp_path: Path, change: Callable[[Ground], None], state: str, healthy: bool) -> None:
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations()
    change(ground)
    machine = known(ground)
    assert (machine.state, machine.healthy, machine.faults) == (state, healthy, ())


def test_who_works_on_it(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations()
    killed(ground)
    with ground.home.locked():
        machine = known(ground)
    assert (machine.state, machine.healthy) == ("running", True)
    assert machine.holder.startswith("process ")
    assert machine.under_way is not None and machine.under_way.generation == 3


def test_a_run_is_its_steps_since_its_preflight_got_through(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    tried = [
        ("preflight", "finished", 1.0),
        ("restore", "failed", 2.0),  # of the run before
        ("preflight", "failed", 4.0),
        ("preflight", "finished", 8.0),
        ("stop", "finished", 16.0),
    ]
    lines = []
    for at, (step, status, seconds) in enumerate(tried):
        for event in ({"status": "started"}, {"status": status, "seconds": seconds}):
            time = f"2026-11-23T09:00:{at:02}.000Z"
            lines.append(json.dumps({"time": time, "replication": "web01", "step": step, **event}))
    file.write_text("\n".join([*lines, '{"time": "2026', ""]))
    run = last_run(file)
    assert run.since == "2026-11-23T09:00:02.000Z"
    assert [(s.name, s.seconds, s.tries, s.outcome) for s in run.steps] == [
        ("preflight", 12.0, 2, "finished"),
        ("stop", 16.0, 1, "finished"),
    ]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def prune(ground: Ground) -> None:
    before = ground.manifests.read(1)
    assert before is not None
    ground.manifests.write(replace(before, status="pruned"))
    ground.manifests.drop_digests(1)


@pytest.mark.parametrize(
    ("change", "mapped", "note"),
    [
        (lambda g: g.manifests.drop_digests(2), False, f"{NO_MAP} not on this machine."),
        (lambda g: damage(g.manifests.digest_file(2, "root")), False, f"{NO_MAP} damaged."),
        (
            lambda g: damage(g.manifests.digest_file(1, "root")),
            True,
            "Changed blocks are not shown: the digest file of generation 1 is damaged.",
        ),
        (prune, True, "Changed blocks are not shown: generation 1 was pruned, and its digests with it."),
    ],
    ids=["gone", "damaged", "before damaged", "before pruned"],
)
def test_digests_that_cannot_be_used(tmp_path: Path, change: Callable[[Ground], None], mapped: bool, note: str) -> None:
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations()
    change(ground)
    (disk,) = known(ground).disks
    assert (disk.map is not None, disk.note, disk.compared) == (mapped, note, 0)
    if disk.map is not None:
        assert (disk.map.total().changed, disk.map.total().data) == (0, 4)


def test_digests_of_another_copy_make_no_map(tmp_path: Path) -> None:
    """A sound digest file, but not the one that the manifest vouches for."""
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations()
    other = Ground(tmp_path / "other", "web01", (Painted("root", "DDDDDD"),))
    other.two_generations()
    path = ground.manifests.digest_file(2, "root")
    path.write_bytes(other.manifests.digest_file(2, "root").read_bytes())
    assert known(ground).disks[0].note == f"{NO_MAP} damaged."


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda g: g.manifests.path(1).write_text("{}"), "generation-0001.json is damaged"),
        (lambda g: (g.home.directory / "terraform.tfstate").write_text("no state"), "terraform.tfstate cannot be read"),
        (lambda g: (g.home.work / "drift.json").write_text('{"version": 2}'), "drift.json is damaged"),
        (lambda g: (g.home.work / "drill.json").write_text(""), "drill.json is damaged"),
        (lambda g: (g.home.work / "run.json").write_text("{"), "run.json"),
    ],
    ids=["manifest", "state", "drift", "drill", "run"],
)
def test_one_damaged_document_hides_nothing_else(
    tmp_path: Path, change: Callable[[Ground], None], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    grounds = [Ground(tmp_path, name, (DISK,)) for name in ("good", "bad")]
    for ground in grounds:
        ground.two_generations()
    change(grounds[1])
    file = tmp_path / "report.html"
    assert run(["report", *(str(ground.spec_file) for ground in grounds), "-o", str(file)]) == 4
    assert fault in capsys.readouterr().err
    good, bad = parsed(file.read_text()).all("details", "card")
    assert (good.all("p", "bad"), len(good.all("svg", "map"))) == ([], 1)
    assert [fault in told.text for told in bad.all("p", "bad")] == [True]
    assert len(bad.all("svg", "map")) == 1


def test_the_page_goes_where_it_is_wanted(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations(guest="Débian")
    assert run(["report", str(ground.spec_file), "-o", "-"]) == 0
    printed = capsysbinary.readouterr().out.decode()
    assert "Débian" in parsed(printed).all("dl")[0].text
    assert run(["report", str(ground.spec_file), "-o", str(tmp_path / "deep" / "r.html")]) == 0
    assert (tmp_path / "deep" / "r.html").read_text().startswith("<!doctype html>")
    assert run(["report", str(tmp_path / "none.yaml")]) == 3


def test_of_many_generations_the_newest_are_told(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "web01", (DISK,))
    ground.two_generations()
    newest = ground.manifests.read(2)
    assert newest is not None
    for number in range(3, 36):
        ground.manifests.write(replace(newest, generation=number))
    machine = known(ground)
    assert ([one.generation for one in machine.generations], machine.older) == ([*range(6, 36)], 5)
    (card,) = parsed(page(iter([machine]), made="", opened=1)).all("details", "card")
    assert [row[0] for row in card.all("table", "generations")[0].rows()] == [str(n) for n in range(35, 5, -1)]
    assert "5 older generations: hotadd history lists all." in card.text


def test_a_disk_that_grew(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "web01", (Painted("root", "DDCZDZ", before=4),))
    ground.two_generations()
    (disk,) = known(ground).disks
    assert disk.map is not None and disk.size == 6 * BLOCK
    assert (disk.map.total().changed, disk.map.total().data, disk.map.total().zero) == (3, 2, 1)
