"""The lab's logs are read while the lab writes: a line's first part is no line yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab_log import read_log


def test_a_line_in_writing_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = tmp_path / "api.jsonl"
    assert read_log(log) == []
    log.write_bytes(b'{"action": "RunInstances"}\n{"action": "Describe')
    assert read_log(log) == [{"action": "RunInstances"}]
    with log.open("ab") as file:
        file.write(b'Volumes"}\n')
    assert read_log(log) == [{"action": "RunInstances"}, {"action": "DescribeVolumes"}]


def test_a_damaged_line_is_an_error(tmp_path: Path) -> None:
    log = tmp_path / "api.jsonl"
    log.write_bytes(b'{"action": "Describe\n{"action": "RunInstances"}\n')
    with pytest.raises(ValueError, match="Unterminated"):
        read_log(log)
