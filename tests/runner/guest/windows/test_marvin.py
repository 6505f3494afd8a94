"""The hash of log entries, against the vectors that .NET's own tests have for it (dotnet/runtime, MarvinTests.cs)."""

from __future__ import annotations

import pytest

from runner.guest.windows.marvin import marvin32

FIRST, SECOND = 0x004FB61A001BDBCC, 0x804FB61A001BDBCC


@pytest.mark.parametrize(
    ("seed", "data", "expected"),
    [
        (FIRST, "", 0x30ED35C100CD3C7D),
        (FIRST, "af", 0x48E73FC77D75DDC1),
        (FIRST, "e70f", 0xB5F6E1FC485DBFF8),
        (FIRST, "37f495", 0xF0B07C789B8CF7E8),
        (FIRST, "8642dc59", 0x7008F2E87E9CF556),
        (FIRST, "153fb79826", 0xE6C08C6DA2AFA997),
        (FIRST, "0932e6246c47", 0x6F04BF1A5EA24060),
        (FIRST, "ab427ea8d10fc7", 0xE11847E4F0678C41),
        (SECOND, "", 0x10A9D5D3996FD65D),
        (SECOND, "153fb79826", 0x0A06114B13464DBD),
        (SECOND, "ab427ea8d10fc7", 0xE203987DBA252FB3),
    ],
)
def test_vectors(seed: int, data: str, expected: int) -> None:
    assert int.from_bytes(marvin32(bytes.fromhex(data), seed), "little") == expected
