"""The text of INF files, by the rules of Microsoft's "General Syntax Rules for INF Files"."""

import random
from contextlib import suppress

import pytest

from runner.guest.windows.bundle_refusals import InfBroken
from runner.guest.windows.inf import Inf, Line
from tests.runner.guest.windows.packages import ena_inf, nvme_inf

# A line of a section, and what the rules make of it.
LINES = [
    ("a = b", Line("a", ("b",))),
    ("  a=b , c  ", Line("a", ("b", "c"))),
    ("one, two", Line("", ("one", "two"))),
    ("a = ", Line("a", ())),
    ("a = ,,x", Line("a", ("", "", "x"))),
    ("a = b ; comment, with comma", Line("a", ("b",))),
    ('a = "b ; no comment, no comma = no key"', Line("a", ("b ; no comment, no comma = no key",))),
    ('a = "say ""yes""" ', Line("a", ('say "yes"',))),
    ('a = " kept blanks "  , x', Line("a", (" kept blanks ", "x"))),
    ('"key = quoted" = v', Line("key = quoted", ("v",))),
    ("a = one, \\\n    two", Line("a", ("one", "two"))),
    ("a = one, \\ ; why\n two", Line("a", ("one", "two"))),
    ("a = %Name%, 100%%", Line("a", ("The Name", "100%"))),
    ('a = "%name% of %NAME%"', Line("a", ("The Name of The Name",))),
    (r"a = %12%\x.sys", Line("a", (r"%12%\x.sys",))),
    ("a = %unknown% 5%", Line("a", ("%unknown% 5%",))),
]


@pytest.mark.parametrize(("text", "line"), LINES)
def test_a_line_is_read_by_the_rules(text: str, line: Line) -> None:
    inf = Inf("x.inf", f"[S]\n{text}\n[Strings]\nName = The Name\n".encode())
    assert inf.lines("s") == (line,)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_and_line_end_is_read(encoding: str) -> None:
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    data = marks.get(encoding, b"") + "[Version]\r\nProvider = Amazon\r[version]\nClass = Net\n".encode(encoding)
    inf = Inf("x.inf", data)
    assert (inf.entry("VERSION", "provider"), inf.entry("Version", "CLASS")) == ("Amazon", "Net")


def test_control_characters_are_left_out() -> None:
    inf = Inf("x.inf", "[A]\nx = \x1b[31mred\x00, \u202etxt.exe\x85\n".encode("utf-8-sig"))
    assert inf.lines("a") == (Line("x", ("[31mred", "txt.exe")),)


def test_parts_of_a_section_are_one_and_an_empty_one_is_there() -> None:
    inf = Inf("x.inf", b"before = any section\n[A]\nx = 1\n[B]\n[a]\nX = 2\ny = 3\n")
    assert [line.value(0) for line in inf.entries("A", "x")] == ["1", "2"]
    assert inf.has("b") and not inf.has("c") and inf.lines("c") == ()
    assert inf.entry("a", "z") == "" and inf.lines("a")[0].value(7) == ""


BROKEN = {
    "a size no INF has": b";" * (4 * 1024 * 1024 + 1),
    "a line no INF has": b"[A]\n" + b"x" * 4097,
    "a continued line without an end": b"[A]\n" + b"x\\\n" * 4096 + b"x\\",
    "more lines than any INF": b"\n" * 65537,
    "a section without an end": b"[A\nx = 1\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_would_fill_the_memory_is_refused(data: bytes) -> None:
    with pytest.raises(InfBroken) as caught:
        Inf("evil.inf", data)
    assert caught.value.inf == "evil.inf"


def test_strings_do_not_grow_without_end() -> None:
    inf = Inf("x.inf", b"[A]\nx = " + b"%s%" * 1000 + b"\n[Strings]\ns = " + b"y" * 4000)
    with pytest.raises(InfBroken, match="longer than 4096"):
        inf.lines("a")


@pytest.mark.thorough
def test_damaged_files_are_read_or_refused_but_never_crash() -> None:
    chance = random.Random(1)
    for _ in range(1000):
        data = bytearray(chance.choice([nvme_inf().encode("utf-16"), nvme_inf().encode(), ena_inf().encode()]))
        for _ in range(chance.randrange(1, 12)):
            match chance.randrange(3):
                case 0:
                    data[chance.randrange(len(data))] = chance.randrange(256)
                case 1:
                    del data[chance.randrange(len(data)) :][: chance.randrange(1, 60)]
                case 2:
                    at = chance.randrange(len(data))
                    data[at:at] = chance.choice([b'"', b"%", b"\\\n", b"[", b"]", b"=", b",", b"\0", b";"])
            if not data:
                break
        with suppress(InfBroken):
            inf = Inf("x.inf", bytes(data))
            for section in ("version", "manufacturer", "strings", "nvme_service"):
                inf.lines(section)
