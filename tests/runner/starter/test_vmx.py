"""VMX files as ESXi and Workstation write them, and as somebody with bad intentions might."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.starter.machine import os_of
from runner.starter.vmx import MAX_VMX, VmxDisk, VmxMachine, VmxRefused, parse_vmx

# In the form that ESXi 7 writes it.
ESXI = b"""\
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "17"
nvram = "web01.nvram"
displayName = "web01 |22blue|22"
guestOS = "debian10-64"
firmware = "efi"
uefi.secureBoot.enabled = "TRUE"
memSize = "8192"
numvcpus = "4"
scsi0.virtualDev = "pvscsi"
scsi0.present = "TRUE"
sata0.present = "TRUE"
scsi0:1.deviceType = "scsi-hardDisk"
scsi0:1.fileName = "web01_1.vmdk"
scsi0:1.present = "TRUE"
scsi0:0.deviceType = "scsi-hardDisk"
scsi0:0.fileName = "web01.vmdk"
scsi0:0.mode = "independent-persistent"
scsi0:0.present = "TRUE"
scsi0:2.fileName = "gone.vmdk"
scsi0:2.present = "FALSE"
nvme0:0.fileName = "fast.vmdk"
nvme0:0.present = "TRUE"
sata0:0.deviceType = "cdrom-image"
sata0:0.fileName = "/vmfs/volumes/isos/debian.iso"
sata0:0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "vpx"
ethernet0.generatedAddress = "00:50:56:ab:cd:ef"
ethernet0.present = "TRUE"
ethernet1.present = "FALSE"
"""


def test_what_esxi_writes_is_understood() -> None:
    assert parse_vmx(ESXI, "web01.vmx") == VmxMachine(
        name='web01 "blue"',
        guest_id="debian10-64",
        firmware="uefi",
        secure_boot=True,
        memory=8 << 30,
        cpus=4,
        disks=(
            VmxDisk("scsi0:0", "pvscsi", "web01.vmdk", "independent-persistent"),
            VmxDisk("scsi0:1", "pvscsi", "web01_1.vmdk", ""),
            VmxDisk("nvme0:0", "", "fast.vmdk", ""),
        ),
        networks=("VM Network, vmxnet3, 00:50:56:ab:cd:ef",),
    )


def test_the_boot_order_that_was_set_counts() -> None:
    found = parse_vmx(ESXI + b'bios.hddOrder = "nvme0:0,scsi0:1"\r\n', "x")
    assert [disk.slot for disk in found.disks] == ["nvme0:0", "scsi0:1", "scsi0:0"]


def test_keys_know_no_case_and_windows_has_its_own_letters() -> None:
    found = parse_vmx('.encoding = "windows-1252"\r\nDISPLAYNAME = "Büro"\r\n# a note\r\n'.encode("cp1252"), "x")
    assert found.name == "Büro" and (found.firmware, found.disks, found.memory) == ("", (), 0)


@pytest.mark.parametrize(
    ("data", "line", "rule"),
    [
        (b"\x00" * 100, 0, "no text"),
        (b"x" * (MAX_VMX + 1), 0, "are allowed"),
        (b"", 0, "no VMX"),
        (b'a = "1"\n', 0, "no VMX"),
        (b'displayName = "a"\nrubbish\n', 2, "no setting"),
        (b'displayName = "a\n', 1, "no setting"),
        (b'displayName = "a"\ndisplayname = "b"\n', 2, "second time"),
        (b'displayName = "a"\nmemsize = "-5"\n', 0, "no number"),
        (b'displayName = "a"\nnumvcpus = "99999999999999"\n', 0, "no number"),
        (b'displayName = "a"\n' + b"".join(b'k%d = "1"\n' % n for n in range(20_001)), 20_001, "more than"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_what_is_no_vmx_is_refused(data: bytes, line: int, rule: str) -> None:
    with pytest.raises(VmxRefused) as refused:
        parse_vmx(data, "x.vmx")
    assert refused.value.exit_code == 3 and refused.value.line == line and rule in refused.value.rule


@pytest.mark.thorough
@given(st.lists(st.binary(max_size=40) | st.sampled_from(ESXI.splitlines()), max_size=30))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    try:
        found = parse_vmx(b"\n".join(lines), "x")
    except VmxRefused:
        return
    assert all(disk.file.lower().endswith(".vmdk") for disk in found.disks)


# Ids from VMware's VirtualMachineGuestOsIdentifier; numbers from DMTF's CIM_OperatingSystem.OSType.
@pytest.mark.parametrize(
    ("guest_id", "code", "os"),
    [
        ("rhel8_64Guest", 80, "linux"),
        ("debian10-64", 0, "linux"),
        ("other5xLinux64Guest", 0, "linux"),
        ("windows2019srv_64Guest", 112, "windows"),
        ("winNetEnterpriseGuest", 0, "windows"),
        ("freebsd12_64Guest", 78, ""),
        ("otherGuest64", 102, ""),
        ("", 101, "linux"),
        ("", 103, "windows"),
        ("", 0, ""),
    ],
)
def test_which_system_a_guest_id_means(guest_id: str, code: int, os: str) -> None:
    assert os_of(guest_id, code) == os
