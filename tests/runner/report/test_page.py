"""The page, parsed: what it tells against what the machines were made of."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from runner.report.gather import gather
from runner.report.machine import Machine
from runner.report.page import cells_for, page
from schemas.drift import Deviation, DriftedDisk, DriftedFile, DriftedRange
from schemas.drill import CheckResult
from tests.runner.report.document import Node, after, parsed
from tests.runner.report.ground import BLOCK, Ground, Painted, volume_of

ROOT = Painted("root", "D" * 300 + "C" * 20 + "Z" * 80 + "z" * 5 + "D" * 107, injected=(3, 301), drifted=(3, 500))
DATA = Painted("data", "Z" * 64)
MADE = "2026-11-23T09:10:11.000Z"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Two disks, two generations."""
    made = Ground(tmp_path, "web01", (ROOT, DATA))
    made.two_generations()
    return made


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The same after a drift was found; not to be changed."""
    made = Ground(tmp_path_factory.mktemp("drifted"), "web01", (ROOT, DATA))
    made.two_generations()
    made.drift()
    return made


def machine(ground: Ground, cells: int = 2048) -> Machine:
    return gather(ground.spec, ground.home, ground.manifests, cells=cells)


def card(*machines: Machine) -> Node:
    """The (first) card of a page of these machines."""
    return parsed(page(iter(machines), made=MADE, opened=len(machines))).all("details", "card")[0]


def numbers(disk: Node) -> dict[str, list[str]]:
    return {name: rest for name, *rest in disk.all("table")[0].rows()}


def drawn(path: str) -> Counter[tuple[int, int]]:
    """The cells, as (column, row), that a path draws, and how often."""
    found: Counter[tuple[int, int]] = Counter()
    assert re.fullmatch(r"([Mm]\d+ \d+h\d+)+", path)
    x = y = 0
    for move, across, down, length in re.findall(r"([Mm])(\d+) (\d+)h(\d+)", path):
        x, y = (x + int(across), y + int(down)) if move == "m" else (int(across), int(down))
        found.update((x + at, y) for at in range(int(length)))
        x += int(length)
    return found


def test_a_disk_in_numbers(drifted: Ground) -> None:
    root, data = card(machine(drifted)).all("div", "disk")
    assert numbers(root) == {
        "drifted": ["2", "1 MiB", "0.39 %", "2"],
        "changed": ["25", "12.5 MiB", "4.9 %", "25"],
        "injected": ["2", "1 MiB", "0.39 %", "2"],
        "unchanged": ["405", "202 MiB", "79.1 %", "405"],  # 407 but for blocks 3 and 500
        "zero": ["80", "40 MiB", "15.6 %", "80"],
    }
    assert numbers(data)["zero"] == ["64", "32 MiB", "100 %", "64"]
    assert (root.all("h4")[0].text, root.all("h4")[0].all("span", "id")[0].text) == (
        f"root256 MiB · {volume_of(ROOT)}",
        volume_of(ROOT),
    )


def test_a_cell_is_drawn_where_its_blocks_are(drifted: Ground) -> None:
    paths = card(machine(drifted)).all("svg", "map")[0].all("path")
    cells = {p.attributes["class"]: drawn(p.attributes["d"]) for p in paths}
    # A block a cell, 128 a row.
    place = [(block % 128, block // 128) for block in range(512)]
    changed = {place[b] for b in (*range(300, 320), *range(400, 405))}
    assert set(cells["drifted"]) == {place[3], place[500]}
    assert set(cells["changed"]) == changed  # block 301 is injected too: changed tells more
    assert "injected" not in cells
    assert set(cells["zero"]) == {place[b] for b in range(320, 400)}
    assert cells["mark drifted"] == cells["drifted"]
    once = sum((found for name, found in cells.items() if not name.startswith("mark")), Counter())
    assert once == Counter(place)


def test_who_does_not_see_the_map_is_told(drifted: Ground) -> None:
    picture = card(machine(drifted)).all("svg", "map")[0].attributes
    assert (picture["role"], picture["tabindex"]) == ("img", "0")
    assert picture["aria-label"] == (
        "Block map of web01 root: 0.39 % drifted, 4.9 % changed, 0.39 % injected, 79.1 % unchanged, 15.6 % zero"
    )


def counts(word: str, blocks: int) -> tuple[int, ...]:
    """One cell of what the script is given."""
    fields = [*word.split(","), "", "", "", "", ""][:5]
    return tuple(blocks if f == "~" else int(f or "0", 36) for f in fields)


def test_the_script_is_given_every_cell(drifted: Ground) -> None:
    picture = card(machine(drifted, cells=100)).all("svg", "map")[0].attributes
    words = []
    for word in picture["data-counts"].split(";"):
        one, _, times = word.partition("*")
        words += [one] * int(times or "1", 36)
    assert (picture["data-blocks"], picture["data-cells"], len(words)) == ("512", "100", 100)
    sums = [0] * 5
    for at, word in enumerate(words):
        blocks = 512 * (at + 1) // 100 - 512 * at // 100
        sums = [a + b for a, b in zip(sums, counts(word, blocks), strict=True)]
    # zero, changed, injected, drifted; block 3 is injected and drifted, block 301 changed and injected.
    assert sums == [80, 25, 2, 2, 2]


def test_phase_generations_and_steps(ground: Ground) -> None:
    shown = card(machine(ground))
    assert [li.text for li in shown.all("ol", "phases")[0].all("li", "here")] == ["target"]
    facts = {entry.all("dt")[0].text: entry.all("dd")[0].text for entry in shown.all("dl")[0].all("div")}
    assert facts["Destination"] == "i-0aaaaaaaaaaaaaaa1"
    assert (facts["Drift"], facts["Drill"]) == ("never checked", "never drilled")
    second, first = after(shown, "Generations")[0].all("table")[0].rows()
    snapshots = ["".join(f"{disk} snap-{n:017x}" for disk in ("root", "data")) for n in (2, 1)]
    size, changed = "288 MiB", "12.5 MiB"
    took = "4 min 05 s"
    assert second == [
        "2",
        "incremental",
        "2026-11-22 06:00:00 UTC",
        took,
        size,
        f"{changed} (4.3 %)",
        changed,
        snapshots[0],
    ]
    assert first == ["1", "full", "2026-11-21 06:00:00 UTC", took, size, "all", size, snapshots[1]]
    steps = after(shown, "Steps of the last run, begun 2026-11-22 06:00:00 UTC")[0].all("table")[0].rows()
    assert [row[:2] for row in steps] == [
        ["preflight", "2.5 s"],
        ["restore", "40 s"],  # over both tries
        ["manifest finished", "0.5 s"],
        ["all", "43 s"],
    ]
    assert steps[1][3] == "2 tries"
    assert shown.all("span", "state")[0].text == "replicated"


def test_a_drift_is_told_in_full(ground: Ground) -> None:
    ranges = (DriftedRange(3 * BLOCK, BLOCK, True), DriftedRange(500 * BLOCK, 4 * BLOCK, False))
    root = DriftedDisk(
        "root",
        volume_of(ROOT),
        512 * BLOCK,
        "snap-00000000000000002",
        True,
        "",
        5,
        5 * BLOCK,
        ranges,
        (DriftedFile("/dev/sda1", "/etc/motd", 4096),),
    )
    data = DriftedDisk("data", volume_of(DATA), 64 * BLOCK, "", False, "Its snapshot is gone.", 0, 0, ())
    deviation = Deviation(
        "aws_instance.destination",
        "i-0aaaaaaaaaaaaaaa1",
        "changed",
        "instance_type",
        '"m5.large"',
        '"t3.nano"',
        "world",
    )
    ground.drift(disks=(root, data), infrastructure=(deviation,), since_launch=True, moving=True, notes=("A note.",))
    shown = card(machine(ground))
    parts = after(shown, "Drift, checked 2026-11-23 07:00:00 UTC")
    tables = [table.rows() for part in parts for table in ([part] if part.name == "table" else part.all("table"))]
    assert tables == [
        [["aws_instance.destination", "instance_type", '"m5.large"', '"t3.nano"']],
        [["1,572,864", "512 KiB", "injected"], ["262,144,000", "2 MiB", ""]],
        [["/etc/motd", "/dev/sda1", "4 KiB"]],
    ]
    text = " ".join(part.text for part in parts)
    for words in ("since", "a moving target", "A note.", "not compared. Its snapshot is gone."):
        assert words in text
    assert shown.all("dl")[0].text.count("1 deviation, 2.5 MiB, disks not compared") == 1


def test_a_drift_of_an_older_generation_is_not_drawn(ground: Ground) -> None:
    ground.drift(generation=1)
    shown = card(machine(ground))
    assert numbers(shown.all("div", "disk")[0])["drifted"][0] == "0"
    assert "It looked at generation 1: the map does not show it." in shown.text


def test_a_drill_and_its_checks(ground: Ground) -> None:
    checks = CheckResult("console", "login:", False, "Not within 600 s.", 600.0), CheckResult("tcp", "22", True, "", 3)
    ground.drill(*checks, reason="The console never showed login:.")
    shown = card(machine(ground))
    told, table = after(shown, "Drill of generation 2, 2026-11-23 08:00:00 UTC")
    assert told.text == "failed The console never showed login:.  on t3.medium"
    assert table.all("table")[0].rows() == [
        ["console", "login:", "failed", "10 min 00 s", "Not within 600 s."],
        ["tcp", "22", "passed", "3.0 s", ""],
    ]


def test_a_machine_of_which_nothing_is_known(tmp_path: Path) -> None:
    shown = card(machine(Ground(tmp_path, "new", (ROOT,))))
    assert shown.all("span", "state")[0].text == "not replicated yet"
    for words in ("No generation yet", "hotadd drift has not looked", "No drill was made", "no state"):
        assert words in shown.text
    assert shown.all("svg", "map") == []


@pytest.mark.thorough
def test_the_overview_counts_and_leads_to_each(tmp_path: Path) -> None:
    tail = Painted("data", "Z" * 60 + "C" * 4)
    grounds = [Ground(tmp_path, f"web{at}", (ROOT, tail)) for at in range(3)]
    for at, one in enumerate(grounds[:2]):
        one.two_generations()
        one.drift(disks=()) if at else one.drift()
    grounds[0].drill(reason="It did not boot.")
    grounds.reverse()
    shown = parsed(page((machine(one) for one in grounds), made=MADE, opened=3))
    figures = [li.text for li in shown.all("ul", "figures")[0].all("li")]
    assert figures == ["3machines", "2replicated", "0not well", "1drifted", "1drill failed"]
    rows = shown.all("div", "overview")[0].all("table")[0].rows()
    assert [row[:7] for row in rows] == [
        ["web0", "replicated", "target", "2", "14.5 MiB", "1 MiB", "failed"],  # what calls for somebody comes first
        ["web2", "not replicated yet", "–", "–", "–", "never checked", "never drilled"],
        ["web1", "replicated", "target", "2", "14.5 MiB", "none", "never drilled"],
    ]
    ids = {one.attributes.get("id") for one in shown.all("details")}
    assert {a.attributes["href"].removeprefix("#") for a in shown.all("a")} <= ids
    # The strip: 576 blocks in 96 cells of 6; root's last letters are data, then the other disk's zeroes and changes.
    strip = shown.all("svg", "strip")[0]
    looks = {p.attributes["class"]: {x for x, _ in drawn(p.attributes["d"])} for p in strip.all("path")}
    assert looks["drifted"] == {0, 83}
    assert looks["changed"] == {50, 51, 52, 53, 66, 67, 95}
    assert looks["zero"] == {*range(54, 66), *range(86, 95)}


def test_nothing_may_run_or_load_but_its_own(drifted: Ground) -> None:
    text = page(iter([machine(drifted)]), made=MADE, opened=1)
    shown = parsed(text)
    (policy,) = [m.attributes["content"] for m in shown.all("meta") if "http-equiv" in m.attributes]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"  # the icon that no server is to be asked for
    for kind in ("style", "script"):
        (one,) = shown.all(kind)
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    links = [v for n in shown._below() for k, v in n.attributes.items() if k in ("src", "href", "action", "srcset")]
    assert set(links) <= {"data:,"}
    assert [n.name for n in shown._below() if "style" in n.attributes or any(k[:2] == "on" for k in n.attributes)] == []
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", shown.all("script")[0].text)


def test_a_fleet_gets_fewer_cells() -> None:
    rows = {1: 16, 112: 16, 225: 8, 600: 3, 1801: 1, 10_000: 1}
    assert {disks: cells_for(disks) / 128 for disks in rows} == rows
