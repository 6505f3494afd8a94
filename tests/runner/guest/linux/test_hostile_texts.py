"""Files made to keep a search busy: every decider is done with a quarter of a mebibyte of them in seconds."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

import pytest

from runner.guest import linux
from runner.guest.facts import FileSystem, Options, TextFile
from schemas.errors import Refused
from tests.runner.guest.conftest import FACTS
from tests.runner.guest.linux.test_cases import QUIET, QUIET_PATHS

pytestmark = pytest.mark.thorough

SIZE = 256 * 1024
SECONDS = 10.0  # each takes less than one; what grows with the square takes minutes
TEXTS = {
    "/etc/multipath.conf": ["multipath {\n", "\n", "multipath { wwid ", " "],
    "/etc/udev/rules.d/a.rules": ['"6000c29', 'KERNEL=="sd', '"'],
    "/etc/nftables.conf": ["iif {", "iif ", "-i ", "ens1 ", "enp1"],
    "/etc/firewalld/zones/a.xml": ["<interface ", '<interface name="'],
    "/etc/lvm/lvm.conf": ['filter=["', "filter=[\n", "filter=[#", " ", 'filter = [ "a|x|",\n', "devices { "],
    "/etc/mdadm.conf": ["DEVICE /dev/sda1\n ", "ARRAY devices=/dev/sda1\n", " \n"],
    "/etc/crypttab": ["a /dev/sda1\n", "a /dev/disk/by-path/"],
    "/etc/fstab": ["/dev/disk/by-path/x-scsi-0:0:1:0 /a ext4\n", "/dev/disk/by-path/", "UUID=1 /x ext4 a 0 0\n"],
    "/etc/systemd/system/a.mount": ["[Mount]\nWhat=/dev/sda1\n", "a="],
    "/etc/inittab": ["a", ":respawn"],
}


@pytest.mark.parametrize(("path", "word"), [(path, word) for path, words in TEXTS.items() for word in words])
def test_it_ends(path: str, word: str) -> None:
    texts = {**QUIET, path: (word * SIZE)[:SIZE]}
    volume = FileSystem("/dev/sdb2", "LVM2_member", "x", "", "", 1, 2)
    facts = replace(
        FACTS,
        paths=QUIET_PATHS,
        file_systems=(*FACTS.file_systems, volume),
        files=tuple(TextFile(at, text) for at, text in texts.items()),
    )
    start = time.monotonic()
    with suppress(Refused):
        linux.decide(facts, Options("keep"))
    assert time.monotonic() - start < SECONDS
