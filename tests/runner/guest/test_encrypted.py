"""Guests in LUKS: a refusal that names the device, not a guest that cannot be found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest.facts import FileSystem, Options
from runner.guest.families import table
from runner.guest.refusals import EncryptedSystem, revive, values_of
from tests.runner.guest.conftest import MakeFacts


def test_a_system_in_luks_is_refused_by_its_device(make_facts: MakeFacts) -> None:
    boot = FileSystem("/dev/sda1", "ext4", "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e01", "", "", 0, 1)
    locked = replace(boot, device="/dev/sda2", type="crypto_LUKS", partition=2)
    with pytest.raises(EncryptedSystem) as refusal:
        table.decide(replace(make_facts(), os="unknown", file_systems=(boot, locked)), Options("dhcp"))
    assert refusal.value.device == "/dev/sda2" and "LUKS" in refusal.value.sentence
    again = revive("EncryptedSystem", values_of(refusal.value))
    assert (type(again), again.sentence) == (EncryptedSystem, refusal.value.sentence)
