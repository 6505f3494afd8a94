"""The command line of a guest's QEMU: an EC2 instance as near as QEMU comes to it.

NVMe disks carry the volume id as serial number, as on Nitro. QEMU has no ENA, so the NIC is one that every Linux
kernel since 2.6.25 knows (virtio), or Windows does by itself (e1000e).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_MEMORY_MIB = 1024
_FIRST_SLOT = 4  # PCI; the ones below are taken by the chipset, the display and the NIC
_FUNCTIONS = 8  # a PCI slot


@dataclass(frozen=True)
class Disk:
    """One NVMe disk."""

    path: Path
    serial: str


@dataclass(frozen=True)
class Network:
    """The interface: its MAC, the address that DHCP gives it, and the subnet (CIDR)."""

    mac: str
    address: str
    subnet: str


@dataclass(frozen=True)
class Machine:
    """What a guest is made of. `disks` in order, the one to boot first; `efi_variables` None means BIOS."""

    name: str
    disks: tuple[Disk, ...]
    network: Network
    console: Path
    capture: Path
    efi_variables: Path | None
    windows: bool
    kvm: bool


def command(machine: Machine) -> list[str]:
    """QEMU's arguments. The QMP monitor is on standard input and output."""
    argv = ["qemu-system-x86_64", "-name", machine.name, "-nodefaults", "-no-user-config"]
    # graphics=off makes SeaBIOS, and through it GRUB, speak on the serial port, as EC2's console does.
    argv += ["-machine", "q35,graphics=off", "-m", str(_MEMORY_MIB), "-smp", "2", "-rtc", "base=utc"]
    argv += ["-accel", "kvm", "-cpu", "host"] if machine.kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
    argv += ["-display", "none", "-vga", "std", "-qmp", "stdio", "-boot", "strict=on"]
    argv += ["-chardev", f"file,id=console,path={_quoted(machine.console)}", "-serial", "chardev:console"]
    if machine.efi_variables is not None:
        argv += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_quoted(OVMF_CODE)}"]
        argv += ["-drive", f"if=pflash,unit=1,format=raw,file={_quoted(machine.efi_variables)}"]
    for number, disk in enumerate(machine.disks):
        argv += _disk(number, disk)
    return argv + _network(machine)


def _disk(number: int, disk: Disk) -> list[str]:
    """Eight disks share a PCI slot: 41 would not fit the bus otherwise, and PCI order stays device order."""
    slot, function = _FIRST_SLOT + number // _FUNCTIONS, number % _FUNCTIONS
    device = f"nvme,drive=disk{number},serial={disk.serial},bus=pcie.0,addr={slot:02x}.{function}"
    device += ",multifunction=on" if function == 0 else ""
    device += ",bootindex=1" if number == 0 else ""  # EC2 boots the root volume and nothing else
    drive = f"if=none,id=disk{number},format=raw,cache=writeback,discard=unmap,file={_quoted(disk.path)}"
    return ["-drive", drive, "-device", device]


def _network(machine: Machine) -> list[str]:
    """Own addresses as in the VPC (the router is the subnet's .1, DNS its .2), and no way out."""
    subnet = ipaddress.ip_network(machine.network.subnet)
    netdev = f"user,id=net0,restrict=on,ipv6=off,net={subnet},host={subnet[1]},dns={subnet[2]}"
    nic = "e1000e" if machine.windows else "virtio-net-pci"
    return [
        "-netdev",
        f"{netdev},dhcpstart={machine.network.address}",
        "-device",
        f"{nic},netdev=net0,mac={machine.network.mac},romfile=,bus=pcie.0,addr=03.0",
        "-object",
        f"filter-dump,id=capture,netdev=net0,file={_quoted(machine.capture)}",
    ]


def _quoted(path: Path) -> str:
    """A path inside an option list, where a comma ends a value."""
    return str(path).replace(",", ",,")
