"""QEMU's command line, read as QEMU's manual tells and tried with QEMU."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from runner.acceleration import accelerator
from runner.lab.capture import frames, has_life
from runner.lab.layout import nvme_serial
from runner.lab.machine import Disk, Machine, Network, command
from runner.process import Leashed

MAC = "02:00:00:12:34:56"


def machine(root: Path, disks: int = 1, *, uefi: bool = False, windows: bool = False, kvm: bool = False) -> Machine:
    return Machine(
        name="i-0123456789abcdef0",
        disks=tuple(Disk(root / f"{n}.raw", f"vol{n:017x}") for n in range(disks)),
        network=Network(MAC, "172.31.0.77", "172.31.0.0/20"),
        console=root / "console.log",
        capture=root / "network.pcap",
        efi_variables=root / "vars.fd" if uefi else None,
        windows=windows,
        kvm=kvm,
    )


def options(argv: list[str], name: str) -> list[str]:
    return [value for key, value in zip(argv, argv[1:], strict=False) if key == name]


def test_serial_is_the_volume_id_without_its_dash() -> None:
    # "nvme id-ctrl" on a Nitro instance: sn : vol01324f611e2463981
    assert nvme_serial("vol-01324f611e2463981") == "vol01324f611e2463981"


def test_41_disks_have_a_place_each_and_only_the_first_boots(tmp_path: Path) -> None:
    nvme = [value for value in options(command(machine(tmp_path, 41)), "-device") if value.startswith("nvme,")]
    places = [value.split("addr=")[1].split(",")[0] for value in nvme]
    assert len(set(places)) == 41
    assert places == sorted(places)
    assert all(int(place.split(".")[0], 16) < 31 for place in places)  # 1f is the chipset's
    assert [value for value in nvme if "bootindex" in value] == nvme[:1]


def test_firmware_follows_the_boot_mode(tmp_path: Path) -> None:
    assert not [value for value in options(command(machine(tmp_path)), "-drive") if "pflash" in value]
    code, variables = [v for v in options(command(machine(tmp_path, uefi=True)), "-drive") if "pflash" in v]
    assert "readonly=on" in code and "readonly" not in variables


def test_windows_gets_a_card_that_it_knows(tmp_path: Path) -> None:
    assert any(v.startswith("e1000e,") for v in options(command(machine(tmp_path, windows=True)), "-device"))


def test_the_guest_has_no_way_out(tmp_path: Path) -> None:
    assert "restrict=on" in options(command(machine(tmp_path)), "-netdev")[0].split(",")


def test_a_comma_in_a_path_stays_in_the_path(tmp_path: Path) -> None:
    home = tmp_path / "a,b"
    assert any(value.endswith("a,,b/0.raw") for value in options(command(machine(home)), "-drive"))


@pytest.mark.boot
def test_dhcp_gives_the_instance_its_own_address(tmp_path: Path) -> None:
    """iPXE, a DHCP client that is not ours, on the card that Windows gets; a lease is a sign of life."""
    (tmp_path / "0.raw").write_bytes(bytes(1 << 20))
    rom = "romfile=/usr/lib/ipxe/qemu/efi-e1000e.rom,bootindex=2"
    argv = [
        value.replace("romfile=", rom) for value in command(machine(tmp_path, windows=True, kvm=accelerator() == "kvm"))
    ]
    with open(tmp_path / "qemu.log", "wb") as log:
        qemu = Leashed(argv, stderr=log)
    try:
        patience = time.monotonic() + 60
        while not has_life(tmp_path / "network.pcap", MAC):
            assert time.monotonic() < patience, (tmp_path / "qemu.log").read_text()
            time.sleep(0.2)
    finally:
        qemu.end()
    offered = {
        frame[14 + 20 + 8 + 16 : 14 + 20 + 8 + 20]  # yiaddr (RFC 2131)
        for frame in frames(tmp_path / "network.pcap")
        if frame[12:14] == b"\x08\x00" and frame[34:38] == struct.pack("!HH", 67, 68)
    }
    assert offered == {bytes([172, 31, 0, 77])}
