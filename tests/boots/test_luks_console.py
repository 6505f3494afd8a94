"""A guest with its root on LVM in LUKS: converted with the key, booted from NVMe, unlocked at the serial console."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk, Options, commit, prepare
from runner.lab.guest.kinds import build, kind
from runner.lab.guest.kinds.kind import Kind
from runner.lab.machine import command
from runner.lab.provider import cache_directory
from runner.lab.vm import Vm
from tests.boots import converted

pytestmark = [
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="building the guests needs root and debootstrap"),
]

# What stands on the console before a shell of the initramfs: initramfs-tools' words, systemd's.
STUCK = ("ALERT!", "Entering emergency mode")

# (kind, the words with which it asks: those of cryptsetup-initramfs and of systemd-cryptsetup)
KINDS = [
    pytest.param(kind.LVM_IN_LUKS, f"Please unlock disk {kind.LUKS_NAME}", marks=pytest.mark.xdist_group("boot-luks")),
    pytest.param(
        kind.LVM_IN_LUKS_DRACUT, "Please enter passphrase for disk", marks=pytest.mark.xdist_group("boot-luks-dracut")
    ),
]


class Console:
    """The serial port of a machine that runs, for reading and typing."""

    def __init__(self, vm: Vm, path: Path) -> None:
        self._vm = vm
        self._socket = socket.socket(socket.AF_UNIX)
        patience = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < patience and vm.running
            time.sleep(0.1)
        while True:
            try:
                self._socket.connect(str(path))
                break
            except ConnectionRefusedError:  # bound, and not listening yet
                assert time.monotonic() < patience and vm.running
                time.sleep(0.1)
        self._socket.settimeout(1)
        self.shown = ""

    def wait(self, until: str | re.Pattern[str]) -> None:
        sought = re.compile(re.escape(until)) if isinstance(until, str) else until
        patience = time.monotonic() + converted.BOOT_SECONDS
        while not sought.search(self.shown):
            stuck = any(words in self.shown for words in STUCK)
            assert time.monotonic() < patience and self._vm.running and not stuck, self.shown[-4000:]
            try:
                self.shown += self._socket.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue

    def type(self, text: str) -> None:
        self._socket.sendall(text.encode())


def boot(disk: Path, work: Path, asks: str) -> str:
    """Boot a copy that is thrown away, type the passphrase when it is asked for; what was on its console in the end."""
    machine = converted.machine(disk, work)
    port = f"socket,id=console,path={machine.console},server=on,wait=off"
    argv = [port if word.startswith("file,id=console") else word for word in command(machine)]
    vm = Vm([*argv, "-snapshot"], work / "qemu.log", lambda *_: None)
    try:
        console = Console(vm, machine.console)
        console.wait(asks)
        console.type(f"{kind.LUKS_KEY}\r")
        console.wait(f"{kind.HOSTNAME} login:")
        console.wait(converted.TOLD)  # either may come first
        return console.shown
    finally:
        vm.stop(0)


@pytest.mark.parametrize(("made", "asks"), KINDS)
def test_it_asks_at_the_console_and_boots_from_nvme(tmp_path: Path, made: Kind, asks: str) -> None:
    guest = build.build(made, tmp_path / "guest", cache=cache_directory(), log=print)
    disks = [GuestDisk("root", guest.disk, True)]
    keys = (kind.LUKS_KEY,)
    prepared = prepare(disks, Options("dhcp", os="linux", luks_keys=keys), tmp_path / "work")
    commit(prepared.disks, {"root": guest.disk})

    shown = boot(guest.disk, tmp_path, asks)
    told = converted.TOLD.search(shown)
    assert told and told.groups() == ("/dev/mapper/vg00-root, ext4", "loaded", f"eth0={converted.ADDRESS}/24(dhcp)")

    again = prepare(disks, Options("keep", luks_keys=keys), tmp_path / "again")
    assert [edit.action for edit in again.edits] == ["left as it is"]
