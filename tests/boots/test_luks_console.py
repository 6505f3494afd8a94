"""A guest with its root on LVM in LUKS: converted with the key, booted from NVMe, unlocked at the serial console."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

import pytest

from runner.acceleration import accelerator
from runner.guest.conversion import GuestDisk, Options, commit, prepare
from runner.lab.guest.kinds import build, kind
from runner.lab.machine import Disk, Machine, Network, command
from runner.lab.provider import cache_directory
from runner.lab.vm import Vm

pytestmark = [
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.xdist_group("boot-luks"),
    pytest.mark.skipif(os.geteuid() != 0, reason="building the guests needs root and debootstrap"),
]

ADDRESS = "10.77.0.10"
BOOT_SECONDS = 900  # emulated, on a busy machine
ASKS = f"Please unlock disk {kind.LUKS_NAME}"  # cryptsetup-initramfs's own words
NOT_UNLOCKED = "ALERT!"  # initramfs-tools' words, before its shell


class Console:
    """The serial port of a machine that runs, for reading and typing."""

    def __init__(self, vm: Vm, path: Path) -> None:
        self._vm = vm
        self._socket = socket.socket(socket.AF_UNIX)
        patience = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < patience and vm.running
            time.sleep(0.1)
        self._socket.connect(str(path))
        self._socket.settimeout(1)
        self.shown = ""

    def wait(self, until: str) -> None:
        patience = time.monotonic() + BOOT_SECONDS
        while until not in self.shown:
            assert time.monotonic() < patience and self._vm.running and NOT_UNLOCKED not in self.shown, self.shown
            try:
                self.shown += self._socket.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue

    def type(self, text: str) -> None:
        self._socket.sendall(text.encode())


def boot(disk: Path, work: Path) -> str:
    """Boot a copy that is thrown away, type the passphrase when it is asked for; the console up to the login prompt."""
    machine = Machine(
        name="converted",
        disks=(Disk(disk, "vol0001"),),
        network=Network("02:77:00:00:00:10", ADDRESS, "10.77.0.0/24"),
        console=work / "console",
        capture=work / "capture",
        efi_variables=None,
        windows=False,
        kvm=accelerator() == "kvm",
    )
    port = f"socket,id=console,path={machine.console},server=on,wait=off"
    argv = [port if word.startswith("file,id=console") else word for word in command(machine)]
    vm = Vm([*argv, "-snapshot"], work / "qemu.log", lambda *_: None)
    try:
        console = Console(vm, machine.console)
        console.wait(ASKS)
        console.type(f"{kind.LUKS_KEY}\r")
        console.wait(f"{kind.HOSTNAME} login:")
        return console.shown
    finally:
        vm.stop(0)


def test_it_asks_at_the_console_and_boots_from_nvme(tmp_path: Path) -> None:
    guest = build.build(kind.LVM_IN_LUKS, tmp_path / "guest", cache=cache_directory(), log=print)
    disks = [GuestDisk("root", guest.disk, True)]
    keys = (kind.LUKS_KEY,)
    prepared = prepare(disks, Options("dhcp", os="linux", luks_keys=keys), tmp_path / "work")
    commit(prepared.disks, {"root": guest.disk})

    shown = boot(guest.disk, tmp_path)
    told = re.search(rf"{kind.REPORT} root (.*), ena (\w+), addresses (.*?) *[\r\n]", shown)
    assert told, shown[-4000:]
    assert told.groups() == ("/dev/mapper/vg00-root, ext4", "loaded", f"eth0={ADDRESS}/24(dhcp)")

    again = prepare(disks, Options("keep", luks_keys=keys), tmp_path / "again")
    assert [edit.action for edit in again.edits] == ["left as it is"]
