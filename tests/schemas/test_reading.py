"""Documents are read as YAML 1.2 and JSON say, and nothing in them can make us slow, huge or crash."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.problem import SpecInvalid
from schemas.reading import parse, read
from tests.schemas.specs import FILE


def value(text: str | bytes) -> Any:
    return parse(text.encode() if isinstance(text, str) else text, FILE).value


# Expected values: YAML 1.2.2, section 10.3.2 (core schema).
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("010", 10),
        ("08", 8),
        ("0", 0),
        ("-1", -1),
        ("+7", 7),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("0b101", "0b101"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".", "."),
        ('"1"', "1"),
        ("'no'", "no"),
        ("=", "="),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("!!str 1", "1"),
        ('!!int "12"', 12),
        ("1: x", {"1": "x"}),
        ("true: x", {"true": "x"}),
        (r'"\ud83d\ude00"', "😀"),
        ("[a, b,]", ["a", "b"]),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("x: &a [1]\ny: *a", {"x": [1], "y": [1]}),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "line", "path", "sentence"),
    [
        ("", 1, "", "empty"),
        ("# nothing\n", 1, "", "empty"),
        ("a: 1\nb: 2\na: 3", 3, "a", "stands twice (first on line 1)"),
        ("x:\n  - a: 1\n    a: 2", 3, "x[0].a", "stands twice (first on line 2)"),
        ('{"a": 1,\n "a": 2}', 2, "a", "stands twice (first on line 1)"),
        ("a: 1\nb: [1, 2", 2, "", "no YAML"),
        ("a: 1\n  b: 2", 2, "", "no YAML"),
        ("a:\n\t- 1", 2, "", "no YAML"),
        ("a: 1\n---\nb: 2", 2, "", "no YAML"),
        ("a: *nobody", 1, "", "no YAML"),
        ("a: \x01", 0, "", "no YAML"),
        (b"\xff\xfe\x00", 0, "", "not UTF-8"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']", 2, "b", "os.system is not allowed"),
        ("a: !!set {b}", 1, "a", "The type tag:yaml.org,2002:set is not allowed"),
        ("a: !!str [b]", 1, "a", "It is no str"),
        ("a: !!timestamp 2026-11-23", 1, "a", "The type tag:yaml.org,2002:timestamp is not allowed"),
        ("a: !!binary aGk=", 1, "a", "is not allowed"),
        ("a: !mine x", 1, "a", "The type !mine is not allowed"),
        ("a: !!int x", 1, "a", "It is no int"),
        ('a: !!int ""', 1, "a", "It is no int"),
        ("a: !!bool yes", 1, "a", "It is no bool"),
        ("a: !!float x", 1, "a", "It is no float"),
        ("a: 1e999", 1, "a", "It is no float"),
        (r'a: "\ud83d"', 1, "a", "It is no str"),
        (r'a: "\UFFFFFFFF"', 0, "", "no YAML"),
        pytest.param("%YAML 1." + "1" * 5000 + "\n---\na: 1", 0, "", "no YAML", id="5000 digits"),
        ("? [a]\n: 1", 1, "", "A key is not text"),
        ("? {a: 1}\n: 1", 1, "", "A key is not text"),
        ("a: &a [*a]", 1, None, "without end"),
        ("a: &a {b: *a}", 1, None, "without end"),
        pytest.param("[" * 65 + "]" * 65, 1, "", "64 levels deep", id="65 brackets"),
        pytest.param("[" * 100_000, 1, "", "64 levels deep", id="100000 brackets"),
        pytest.param("- " * 100_000, 1, "", "64 levels deep", id="100000 dashes"),
        pytest.param(
            "- a\n" * 260_000, 39_999, "", "more than 20000 values", id="260000 lines", marks=pytest.mark.thorough
        ),
        pytest.param(
            "[" + "1," * 500_000 + "1]", 1, "", "more than 20000 values", id="500000 items", marks=pytest.mark.thorough
        ),
    ],
)
def test_faults_of_reading(text: str | bytes, line: int, path: str | None, sentence: str) -> None:
    with pytest.raises(SpecInvalid) as raised:
        value(text)
    problem = raised.value.problems[0]
    assert problem.line == line and sentence in problem.sentence and problem.file == str(FILE)
    assert path is None or problem.path == path
    assert "\n" not in str(problem)


def test_every_duplicate_is_told_at_once() -> None:
    with pytest.raises(SpecInvalid) as raised:
        value("a: 1\na: 2\nb: {c: 1, c: 2}\nb: 3\n")
    assert [(p.line, p.path) for p in raised.value.problems] == [(2, "a"), (3, "b.c"), (4, "b")]


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
LONG_WORD_BOMB = "a: &a " + "x" * 500_000 + "\nb: [" + ",".join(["*a"] * 10_000) + "]\n"


@pytest.mark.parametrize("text", [BOMB, LONG_WORD_BOMB], ids=["values", "characters"])
def test_alias_bombs_are_refused_before_they_go_off(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(SpecInvalid, match="aliases make it grow"):
        value(text)
    assert time.monotonic() - started < 10


def test_lines_of_places() -> None:
    document = parse(b"a:\n  - b: 1\n    c:\n      d: 2\n  - e\n", FILE)
    assert {place: document.line(place) for place in document.lines} == {
        (): 1,
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 0, "c", "d"): 4,
        ("a", 1): 5,
    }
    # What is missing is told at what it is missing from.
    assert document.line(("a", 0, "c", "x", "y")) == 3


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_bytes(b"a: " + b"x" * (1024 * 1024 - 3))
    assert len(read(good).value["a"]) == 1024 * 1024 - 3
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * (1024 * 1024 - 2))
    for file, sentence in (
        (large, "larger than 1 MiB"),
        (Path("/dev/zero"), "larger than 1 MiB"),
        (tmp_path / "absent.yaml", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(SpecInvalid, match=sentence) as raised:
            read(file)
        assert raised.value.problems[0].file == str(file) and raised.value.problems[0].line == 0


def test_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"a: 1\n",))
    writer.start()
    assert read(pipe).value == {"a": 1}
    writer.join()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc -:#", max_size=8), inner, max_size=4),
    max_leaves=20,
)


# PyYAML refuses what YAML calls unprintable, also when JSON has it unescaped; json.dumps escapes all but DEL.
@settings(max_examples=50)
@given(plain, st.sampled_from([None, 1, "\t"]))
def test_json_is_read_as_json(document: Any, indent: int | str | None) -> None:
    text = json.dumps(document, indent=indent).replace("\x7f", "\\u007f")
    assert value(text) == document


@settings(max_examples=150)
@given(st.binary(max_size=200) | st.text("{}[]:,-&*!|>'\"%@`#? \n\tab1\\ux.<~", max_size=80).map(str.encode))
def test_any_bytes_are_a_document_or_a_fault(data: bytes) -> None:
    try:
        parse(data, FILE)
    except SpecInvalid as error:
        assert error.problems
