"""The page as a person meets it, in headless Chromium: pixels, pointer, keys, and what the console says."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.blocks.digests import DATA, DigestFile
from runner.cli.main import run
from tests.runner.report.chromium import Browser
from tests.runner.report.colour import SIGHTS, contrast, distance
from tests.runner.report.ground import Ground, Painted

pytestmark = [
    pytest.mark.process,
    pytest.mark.xdist_group("chromium"),
]
SIXTEEN_TIB = 16 << 40
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

# Two blocks a cell and 128 cells (256 blocks) a row, a look a row; of two blocks in 16 one changed is `sparse`.
LETTERS = {"drifted": "D", "changed": "C", "injected": "D", "data": "D", "zero": "Z"}
ROWS = list(LETTERS)
PICTURE = "".join(letter * 256 for letter in LETTERS.values()) + "D" * (4096 - 256 * len(LETTERS))
DISK = Painted("root", PICTURE, injected=tuple(range(512, 768)), drifted=tuple(range(256)))


def report(place: Path, *grounds: Ground) -> Path:
    """The page, by the command line."""
    page = place / "report.html"
    assert run(["report", *(str(ground.spec_file) for ground in grounds), "-o", str(page)]) == 0
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One machine: a row of every look but `sparse`, which the second disk shows; the third has a block that is two."""
    place = tmp_path_factory.mktemp("looks")
    sparse = Painted("sparse", ("C" + "D" * 15) * 2048)
    both = Painted("both", "DDCZ", injected=(0,), drifted=(0, 1))
    ground = Ground(place, "web01", (DISK, sparse, both))
    ground.two_generations()
    ground.drift()
    ground.drill()
    return report(place, ground)


def corner(chromium: Browser, disk: int) -> tuple[float, float, float]:
    """Where a map begins in the window, and how wide a cell is."""
    chromium.value(f"document.querySelectorAll('svg.map')[{disk}].scrollIntoView({{block: 'center'}})")
    x, y, width = chromium.value(
        f"(b => [b.x, b.y, b.width])(document.querySelectorAll('svg.map')[{disk}].getBoundingClientRect())"
    )
    return x, y, width / 128


def colours(chromium: Browser) -> dict[str, tuple[int, int, int]]:
    """The colour of each look, and of what is around the map."""
    x, y, cell = corner(chromium, 0)
    # Beside the mark in the middle, and away from the gaps.
    places = [(x + 2.25 * cell, y + (row + 0.28) * cell) for row in range(len(ROWS))]
    found = dict(zip([*ROWS, "around"], chromium.pixels(*places, (x - 8, y)), strict=True))
    x, y, cell = corner(chromium, 1)
    (found["sparse"],) = chromium.pixels((x + 2.25 * cell, y + 1.28 * cell))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_looks_can_be_told_apart_by_everyone(chromium: Browser, page: Path, dark: bool) -> None:
    chromium.open(page, dark=dark)
    assert chromium.said == []
    assert chromium.asked == [page.as_uri()]
    seen = colours(chromium)
    assert (sum(seen["around"]) < 200) is dark
    around = seen.pop("around")
    assert set(seen) == {*ROWS, "sparse"}
    for sight in set(SIGHTS) - {"no colour"}:
        for one, other in itertools.combinations(seen, 2):
            assert distance(seen[one], seen[other], sight) > 15, (one, other, sight)
    # What moved stands out from what did not, even without any colour.
    for look in ("drifted", "changed"):
        assert distance(seen[look], seen["data"], "no colour") > 10, look
    for look in ("drifted", "changed", "data"):
        assert contrast(seen[look], around) > 1.7, look


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read(chromium: Browser, page: Path, dark: bool) -> None:
    chromium.open(page, dark=dark)
    rgb = "getComputedStyle(document.querySelector('{}')).{}.match(/[0-9]+/g).map(Number)"
    card = chromium.value(rgb.format(".card", "backgroundColor"))
    for words in (".inside", ".inside .soft", ".inside .good", "summary .state", "th", "h3", ".phases .here"):
        ground = card if words != ".phases .here" else chromium.value(rgb.format(words, "backgroundColor"))
        # 4.5 is what WCAG 2.2 asks of text (1.4.3, level AA).
        assert contrast(chromium.value(rgb.format(words, "color")), ground) >= 4.5, words


def test_marks_tell_drifted_and_injected_without_colour(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    x, y, cell = corner(chromium, 0)
    for row, look in enumerate(ROWS):
        beside, middle = chromium.pixels(*((x + (20 + at) * cell, y + (row + at) * cell) for at in (0.27, 0.5)))
        assert (distance(beside, middle, "no colour") > 20) is (look in ("drifted", "injected")), look


def test_the_pointer_and_the_keys_tell_a_cell_s_counts(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    tip = "(t => getComputedStyle(t).visibility === 'visible' ? t.textContent : '')(document.getElementById('tip'))"
    assert chromium.value(tip) == ""
    x, y, cell = corner(chromium, 0)
    chromium.point(x + 5.5 * cell, y + 0.5 * cell)
    assert chromium.value(tip) == "5 MiB to 6 MiB\n2 of 2 blocks drifted"
    chromium.point(x + 5.5 * cell, y + 2.5 * cell)
    assert chromium.value(tip) == "261 MiB to 262 MiB\n2 of 2 blocks injected"
    chromium.point(x + 5.5 * cell, y - 30)
    assert chromium.value(tip) == ""
    x, y, cell = corner(chromium, 2)
    chromium.point(x + 0.5 * cell, y + 0.5 * cell)
    assert chromium.value(tip) == "0 B to 512 KiB\n1 of 1 blocks drifted\n1 of 1 blocks injected"
    chromium.value("document.querySelectorAll('svg.map')[1].focus()")
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        chromium.press(key)
    assert chromium.value(tip) == "1.0 GiB to 1.0 GiB\n1 of 16 blocks changed\n15 of 16 blocks unchanged"
    assert chromium.value("['x', 'y'].map(n => document.querySelector('.cursor').getAttribute(n)).join()") == "1,1"
    chromium.press("Escape")
    assert chromium.value("[document.querySelector('.cursor'), " + tip + "].join()") == ","
    assert chromium.said == []


def test_what_gets_in_neither_runs_nor_loads(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.value("""
        (() => {
            const main = document.querySelector('main');
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            main.append(script);
            main.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x.png" onerror="window.ran = 2">');
            main.insertAdjacentHTML('beforeend', '<p id="p" style="position: absolute">');
            return [typeof window.ran, getComputedStyle(document.getElementById('p')).position].join();
        })()""") == ("undefined,static")
    assert chromium.value("fetch('http://127.0.0.1:9/').then(() => 'loaded', () => 'refused')") == "refused"
    assert chromium.value("typeof window.ran") == "undefined"
    assert sum("Content Security Policy" in words for words in chromium.said) >= 4


@pytest.mark.parametrize("width", [360, 1200])
def test_forty_disks(chromium: Browser, tmp_path: Path, width: int) -> None:
    # ... of different sizes, from one block on.
    disks = tuple(Painted(f"disk-{at}", "DC" * (1 + at * at) + "Z" * (at * 37)) for at in range(40))
    ground = Ground(tmp_path, "web01", disks)
    ground.two_generations()
    chromium.open(report(tmp_path, ground), width=width)
    assert chromium.said == []
    shown = (
        "[...document.querySelectorAll('svg.map')].map(m => m.getBoundingClientRect()).map(b => [b.width, b.height])"
    )
    boxes = chromium.value(shown)
    assert len(boxes) == 40
    assert all(250 < w <= 1024 and h >= w / 128 - 1 for w, h in boxes)
    assert chromium.value("document.documentElement.scrollWidth") <= width
    names = chromium.value("[...document.querySelectorAll('.disk h4')].map(h => h.firstChild.data)")
    assert names == [disk.id for disk in disks]


def test_a_link_opens_the_card_it_leads_to(chromium: Browser, tmp_path: Path) -> None:
    grounds = [Ground(tmp_path, f"web{at:02}", (Painted("root", "DCZ"),)) for at in range(12)]
    for ground in grounds:
        ground.two_generations()
    page = report(tmp_path, *grounds)
    opened = "[...document.querySelectorAll('details.card[open] h2')].map(h => h.textContent).join()"
    chromium.open(page)
    assert chromium.value(opened) == ""
    chromium.value("document.querySelector('a[href=\"#machine-web07\"]').click()")
    patience = time.monotonic() + 60
    while chromium.value(opened) != "web07":  # hashchange comes later than the click
        assert time.monotonic() < patience
        time.sleep(0.05)
    chromium.open(page.as_uri() + "#machine-web11")
    assert chromium.value(opened) == "web11"
    assert chromium.said == []


def test_a_hostile_guest_only_makes_odd_text(chromium: Browser, tmp_path: Path) -> None:
    text = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    ground = Ground(tmp_path, "web01", (Painted("root", "DCZ"),))
    ground.two_generations(guest=text)
    ground.drift(notes=(text,))
    ground.drill(reason=text)
    chromium.open(report(tmp_path, ground))
    assert chromium.said == []
    assert chromium.value("document.title") == "hotadd report"
    assert chromium.value("document.querySelector('.facts').textContent").count(text) == 1


def sixteen_tib(place: Path) -> Ground:
    """A disk of 16 TiB, nearly all zero: data in the first 300 blocks and the last, one block in the middle changed."""
    ground = Ground(place, "huge", (Painted("root", "DCZ"),))
    ground.two_generations()
    for generation in (1, 2):
        path = ground.manifests.digest_file(generation, "root")
        file = DigestFile.create(path, disk="root", generation=generation, size=SIXTEEN_TIB)
        file.set_zero(0, file.blocks)
        for block in (*range(300), file.blocks - 1):
            file.set_run(block, bytes([DATA]), block.to_bytes(16, "little"))
        middle = file.blocks // 2
        file.set_run(middle, bytes([DATA]), bytes([generation] * 16))
        seal = file.seal()
        file.publish()
        file.close()
        manifest = ground.manifests.read(generation)
        assert manifest is not None
        record = manifest.disks[0]
        source = replace(record.source, bytes=SIXTEEN_TIB)
        disk = replace(record, digest_of_digests=seal, volume_bytes=SIXTEEN_TIB, source=source)
        ground.manifests.write(replace(manifest, disks=(disk,)))
    return ground


def test_sixteen_tib_in_flat_memory(chromium: Browser, tmp_path: Path) -> None:
    ground = sixteen_tib(tmp_path)
    page = tmp_path / "report.html"
    # A child's maximum starts with what its parent held when it was forked, so a small process stands between.
    words = [sys.executable, "-c", MEASURED, sys.executable, "-m", "runner.cli", "report", str(ground.spec_file)]
    done = subprocess.run([*words, "-o", str(page)], check=True, capture_output=True, text=True)
    assert 10 * 1024 < int(done.stdout.splitlines()[-1]) < 256 * 1024
    assert page.stat().st_size < 100_000
    chromium.open(page)
    assert chromium.said == []
    rows = "[...document.querySelectorAll('.counts tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    assert chromium.value(rows) == [
        ["drifted", "0", "0 B", "0 %", "0"],
        ["changed", "1", "512 KiB", "< 0.01 %", "1"],
        ["injected", "0", "0 B", "0 %", "0"],
        ["unchanged", "301", "150 MiB", "< 0.01 %", "2"],
        ["zero", "33,554,130", "16.0 TiB", "> 99.9 %", "2,048"],
    ]
    label = chromium.value("document.querySelector('svg.map').getAttribute('aria-label')")
    assert label == "Block map of huge root: < 0.01 % changed, < 0.01 % unchanged, > 99.9 % zero"
    x, y, cell = corner(chromium, 0)
    # The changed block is in cell 1024: the ninth row's first. It is 1 of 16,384: a cell changed in places.
    there, beside = chromium.pixels(*((x + (at + 0.25) * cell, y + 8.28 * cell) for at in (0, 1)))
    assert distance(there, beside, "most") > 20
    chromium.point(x + 0.5 * cell, y + 8.5 * cell)
    assert chromium.value("document.getElementById('tip').textContent") == (
        "8 TiB to 8.0 TiB\n1 of 16,384 blocks changed\n16,383 of 16,384 blocks zero"
    )
