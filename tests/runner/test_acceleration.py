"""The vCPU probe, held to an accelerator that works everywhere and to firmware that says nothing."""

from __future__ import annotations

import pytest

from runner import acceleration

pytestmark = pytest.mark.guestfs  # needs QEMU


def test_the_firmware_really_runs_under_tcg():
    assert acceleration.runs("tcg")


def test_firmware_that_does_not_answer_is_no_acceleration(monkeypatch):
    monkeypatch.setattr(acceleration, "_CODE", bytes.fromhex("f4ebfd"))  # hlt; jmp
    monkeypatch.setattr(acceleration, "_SECONDS", 1.0)
    assert not acceleration.runs("tcg")
