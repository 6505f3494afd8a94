"""What a file of the lab's holds, read without anything of hotadd's."""

from __future__ import annotations

from pathlib import Path


def assert_holds(file: Path, content: bytes) -> None:
    """It holds that content, and nothing but zeroes after it."""
    with open(file, "rb") as held:
        assert held.read(len(content)) == content, f"{file.name} holds other bytes"
        while rest := held.read(1 << 24):
            assert not rest.strip(b"\0"), f"{file.name} holds more"
