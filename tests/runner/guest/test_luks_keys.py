"""Files with LUKS passphrases: what is read, what is refused, and that no passphrase shows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.confinement import Identity
from runner.guest.facts import Options
from runner.guest.luks_keys import KeyFileUnfit, read_keys
from runner.guest.worker import Request
from schemas.document import structure, unstructure

SECRET = "horse & battery"


def file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / f"key{len(list(directory.iterdir()))}"
    path.touch(mode)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"horse & battery", SECRET),
        (b"horse & battery\n", SECRET),
        # As `virt-v2v --key`: one newline alone is not part of it, and nothing else is taken away.
        (b" horse\r\n\n", " horse\r\n"),
        ("Bärenfütterung\n".encode(), "Bärenfütterung"),
        (b"x" * 8192, "x" * 8192),
    ],
)
def test_a_passphrase_is_taken_as_it_is(tmp_path: Path, content: bytes, key: str) -> None:
    assert read_keys([file(tmp_path, content), file(tmp_path, b"other", 0o400)]) == (key, "other")


@pytest.mark.parametrize(
    ("content", "mode", "fault"),
    [
        (b"", 0o600, "is empty"),
        (b"\n", 0o600, "is empty"),
        (b"x" * 8193, 0o600, "has more than 8192 bytes"),
        (b"horse\0battery", 0o600, "null byte"),
        (b"horse \xff", 0o600, "no UTF-8"),
        (b"horse", 0o640, "others than its owner (mode 0640)"),
        (b"horse", 0o604, "others than its owner (mode 0604)"),
        (b"horse", 0o620, "others than its owner (mode 0620)"),
    ],
)
def test_a_file_is_refused_by_name_and_not_shown(tmp_path: Path, content: bytes, mode: int, fault: str) -> None:
    path = file(tmp_path, content, mode)
    with pytest.raises(KeyFileUnfit) as refusal:
        read_keys([path])
    assert fault in refusal.value.sentence and str(path) in refusal.value.sentence
    assert refusal.value.exit_code == 3 and refusal.value.hint
    assert "horse" not in str(refusal.value) and refusal.value.__context__ is None


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    # A FIFO that nobody writes to would keep a reader for ever.
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path / "none", tmp_path, pipe):
        with pytest.raises(KeyFileUnfit):
            read_keys([path])


def test_no_text_of_options_or_of_a_request_has_a_passphrase() -> None:
    options = Options("dhcp", luks_keys=(SECRET,))
    request = Request("prepare", (), 0, Identity(1, 1), options)
    assert SECRET not in f"{options} {options!r} {request} {request!r}"
    assert structure(json.loads(json.dumps(unstructure(request))), Request).options.luks_keys == (SECRET,)
