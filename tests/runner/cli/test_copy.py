"""hotadd copy: its words, what it says, and that it starts without what it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.blocks.digests import DigestFile
from runner.blocks.memory import MemorySource
from runner.cli.main import run

BLOCK = 512 * 1024


@pytest.fixture
def disk(tmp_path):
    """A source of 4 blocks less 5 bytes (data, data, zeroes, data) and a target full of other bytes."""
    source, target = tmp_path / "source.raw", tmp_path / "target.raw"
    source.write_bytes(MemorySource.from_picture("DD0D", BLOCK, seed=4, trim=5).content)
    target.write_bytes(b"\xee" * (5 * BLOCK))
    return source, target


def copy(*words):
    return run(["copy", *map(str, words)])


def test_a_copy_tells_its_result_as_json(disk, capsys):
    source, target = disk
    assert copy(source, target, "--verify", "full", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert target.read_bytes() == source.read_bytes() + b"\xee" * (BLOCK + 5)
    assert (told["bytes_data"], told["bytes_zero_written"], told["verified"]) == (3 * BLOCK - 5, BLOCK, True)
    assert not source.with_suffix(".raw.checkpoint").exists()
    with_digests = DigestFile.open(Path(f"{source}.digests"))
    assert with_digests.size == source.stat().st_size
    with_digests.close()


def changes_of(folder, size, *extents):
    path = folder / "changes.json"
    listed = [{"offset": offset, "length": length} for offset, length in extents]
    path.write_text(json.dumps({"version": 1, "id": "b", "base": "a", "size": size, "extents": listed}))
    return path


def edit(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def test_what_changed_since_is_copied_alone(disk, tmp_path, capsys):
    source, target = disk
    copy(source, target, "--digests", tmp_path / "first")
    edit(source, BLOCK + 1)
    capsys.readouterr()
    assert copy(source, target, "--since", tmp_path / "first", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["bytes_changed"], told["bytes_written"], told["bytes_read"]) == (BLOCK, BLOCK, 4 * BLOCK - 5)
    assert target.read_bytes()[: source.stat().st_size] == source.read_bytes()


def test_a_change_list_narrows_what_is_read(disk, tmp_path, capsys):
    source, target = disk
    copy(source, target, "--digests", tmp_path / "first")
    edit(source, 3 * BLOCK)
    capsys.readouterr()
    size = source.stat().st_size
    listed = changes_of(tmp_path, size, (3 * BLOCK, 1))
    assert copy(source, target, "--since", tmp_path / "first", "--changes", listed, "--json") == 0
    assert json.loads(capsys.readouterr().out)["bytes_read"] == BLOCK - 5
    assert target.read_bytes()[:size] == source.read_bytes()
    other = changes_of(tmp_path, size + 1, (0, 1))
    assert copy(source, target, "--since", tmp_path / "first", "--changes", other) == 3
    assert f"{size + 1} bytes" in capsys.readouterr().err


def test_repair_writes_what_differs(disk, tmp_path, capsys):
    source, target = disk
    copy(source, target)
    edit(target, 2 * BLOCK + 77)
    capsys.readouterr()
    assert copy(source, target, "--repair", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bytes_changed"] == BLOCK
    assert target.read_bytes() == source.read_bytes() + bytes(BLOCK + 5), "zeroes behind the source's end"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--zeroes", "some"], 64, "invalid choice"),
        (["--changes", "x"], 64, "--changes narrows --since"),
        (["--since", "x", "--repair"], 64, "not allowed with"),
        (["--threads", "0"], 64, "--threads"),
        (["--rate", "-1"], 64, "--rate"),
        (["--since", "/nonexistent/digests"], 3, "no digest file"),
        (["--format", "vmdk"], 3, "refused"),
    ],
)
def test_what_is_wrong_is_said_with_a_code(disk, capsys, words, code, said):
    assert copy(*disk, *words) == code
    assert said in capsys.readouterr().err


@pytest.mark.process
def test_it_starts_without_what_it_does_not_need(disk):
    code = (
        "import sys; from runner.cli.main import run; run(sys.argv[1:]); print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, "copy", *map(str, disk)], capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "argparse" in loaded, done.stderr
    assert not loaded & {"typer", "rich", "jsonschema", "cattrs", "yaml", "zlib_ng", "isal", "hmac", "asyncio"}


@pytest.mark.process
def test_progress_is_told_as_json_lines(disk):
    words = [sys.executable, "-m", "runner.cli", "copy", *map(str, disk), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    last = json.loads(done.stderr.splitlines()[-1])["progress"]
    assert last["bytes_done"] == last["bytes_total"] == 4 * BLOCK - 5
    assert (last["bytes_zero"], last["seconds_left"]) == (BLOCK, 0.0)
