"""Text stays text, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.report.gather import gather
from runner.report.markup import Markup, joined, shown, tag
from runner.report.page import page
from schemas.drift import DriftedDisk, DriftedFile, DriftedRange
from tests.runner.report.document import parsed
from tests.runner.report.ground import BLOCK, Ground, Painted, volume_of

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    "&lt;b&gt; &amp;",
    "</style><style>*{display:none}</style>",
    "<!-- ]]> <![CDATA[",
    "javascript:alert(1)",
    "{{7*7}} ${7*7}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_and_attributes_come_back_as_they_were(text: str) -> None:
    (found,) = parsed(str(tag("p", text, title=text))).all("p")
    assert (found.text, found.attributes, found.all("script")) == (text, {"title": text}, [])


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x00b\x1b[31m", "a\\u0000b\\u001b[31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("ze\u200bro", "ze\\u200bro"),
        ("lone \udcff", "lone \\udcff"),
        ("äöü 日本 🚀\n", "äöü 日本 🚀\n"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen
    assert joined(text).text.encode()


def test_markup_is_not_escaped_twice() -> None:
    assert str(tag("p", tag("b", "&"), Markup("<br>"))) == "<p><b>&amp;</b><br></p>"
    assert str(tag("details", open=True, hidden=False, aria_label="x", class_="c")) == (
        '<details open aria-label="x" class="c"></details>'
    )


def test_a_guest_cannot_write_into_the_page(tmp_path: Path) -> None:
    text = " ".join([*HOSTILE, "\udcff\u202e\x07"])
    disk = Painted("root", "DCZ")
    ground = Ground(tmp_path, "web01", (disk,))
    guest = text.encode("utf-8", "replace").decode()
    ground.two_generations(guest=guest)
    drifted = DriftedDisk(
        "root", volume_of(disk), 3 * BLOCK, "", True, "", 1, BLOCK, (DriftedRange(0, BLOCK, False),)
    )  # fmt: skip
    files = (DriftedFile(text, text, 1),)
    fields = {"disks": (DriftedDisk(**{**vars(drifted), "files": files, "files_note": text}),), "notes": (text,)}
    ground.drift(**fields)
    ground.drill(reason=text)
    found = parsed(page(iter([gather(ground.spec, ground.home, ground.manifests, cells=8)]), made="", opened=1))
    assert [len(found.all(name)) for name in ("script", "style", "img")] == [1, 1, 0]
    (files_told,) = [table for table in found.all("table") if "file" in table.all("thead")[0].text]
    assert files_told.rows() == [[shown(text), shown(text), "1 B"]]
    assert shown(guest) in found.all("dl")[0].text
