"""OVF descriptions: what ovftool and VirtualBox write is understood, what could harm is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.blocks.errors import ImageRefused
from runner.blocks.ovf import OvfDescription, OvfDisk, OvfFile, disk_files, parse_ovf
from runner.blocks.ovf_hardware import Attachment, OvfNetwork
from tests.runner.blocks.package_made import STREAM, description

FOLDER = Path(__file__).parent / "ovf"
GIB = 1 << 30


def test_what_ovftool_writes_is_understood():
    one = OvfFile("file1", "web01-disk1.vmdk", 1073741824, False)
    two = OvfFile("file2", "web01%20data.vmdk", 77824, False)
    assert parse_ovf((FOLDER / "esxi.ovf").read_bytes(), "esxi.ovf") == OvfDescription(
        name="web01 & more",
        guest_id="rhel8_64Guest",
        guest_code=80,
        guest_text="Red Hat Enterprise Linux 8 (64-bit)",
        firmware="efi",
        secure_boot=True,
        disks=(
            OvfDisk("vmdisk1", one, STREAM, 16 * GIB, Attachment("scsi", "VirtualSCSI", 0, 0)),
            OvfDisk("vmdisk2", two, STREAM, 100 * GIB, Attachment("scsi", "VirtualSCSI", 0, 1)),
            OvfDisk("vmdisk3", None, "", 4 * GIB, Attachment("nvme", "vmware.nvme.controller", 0, 3)),
        ),
        networks=(OvfNetwork("VM Network", "VmxNet3", ""),),
        memory=8 * GIB,
        cpus=4,
    )


def test_what_virtualbox_writes_is_understood():
    found = parse_ovf((FOLDER / "virtualbox.ovf").read_bytes(), "virtualbox.ovf")
    assert (found.name, found.guest_code, found.guest_id, found.firmware) == ("haos", 101, "", "")
    assert (found.memory, found.cpus) == (2 * GIB, 2)
    assert [(disk.capacity, disk.attachment) for disk in found.disks] == [(32 * GIB, Attachment("sata", "AHCI", 0, 0))]
    assert found.networks == (OvfNetwork("Bridged", "E1000", ""),)


@pytest.mark.parametrize(
    ("capacity", "unit", "size"),
    [
        ("10", "byte * 2^30", 10 * GIB),
        ("10", "byte*2^20", 10 << 20),
        ("7", "byte", 7),
        ("7", "", 7),
        ("3", "byte * 1000", 3000),
        ("3", "byte * 10^9", 3 * 10**9),
        ("2", "GigaBytes", 2 * GIB),
        ("${disk.size}", "byte * 2^30", 0),
        ("", "byte", 0),
    ],
)
def test_a_capacity_is_read_in_its_unit(capacity, unit, size):
    text = description("a.vmdk").replace(b'capacity="0"', f'capacity="{capacity}"'.encode())
    text = text.replace(b"ovf:diskId", f'ovf:capacityAllocationUnits="{unit}" ovf:diskId'.encode())
    assert parse_ovf(text, "x").disks[0].capacity == size


BOMB = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE foo [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (description("a.vmdk", doctype=BOMB, name="&c;"), "XML"),
        (description("a.vmdk", doctype=OUTSIDE, name="&xxe;"), "XML"),
        (description("a.vmdk", doctype='<!DOCTYPE foo SYSTEM "http://169.254.169.254/latest">'), "XML"),
        (description("a.vmdk", name="&unknown;"), "XML"),
        (description("a.vmdk", head=" "), "XML"),
        (b"", "XML"),
        (b"<Envelope", "XML"),
        (b"\0\1\2\3", "XML"),
        (b'<?xml version="1.0" encoding="klingon"?><Envelope/>', "XML"),
        (b"<a>" * 100 + b"</a>" * 100, "XML"),
        pytest.param(b"<a>" + b"<b/>" * 100_001 + b"</a>", "XML", marks=pytest.mark.thorough),
        (b" " * (4 * 1024 * 1024 + 1), "XML"),
        (b"<Machine/>", "OVF"),
        (b"<Envelope/>", "VirtualSystem"),
        (description("a.vmdk").replace(b"<VirtualSystem ", b"<VirtualSystem/><VirtualSystem "), "VirtualSystem"),
        (description("/etc/passwd"), "File href"),
        (description("../a.vmdk"), "File href"),
        (description("..%2Fa.vmdk"), "File href"),
        (description("%2e%2e"), "File href"),
        (description("http://10.0.0.1/a.vmdk"), "File href"),
        (description("a\\b"), "File href"),
        (description(""), "File href"),
        (description("a.vmdk", more='ovf:chunkSize="1000"'), "chunkSize"),
        (description("a.vmdk", more='ovf:compression="zstd"'), "compression"),
        (description("a.vmdk", more='ovf:size="-5"'), "File size"),
        (description("a.vmdk", "b.vmdk").replace(b'ovf:id="f1"', b'ovf:id="f0"'), "References"),
        (description("a.vmdk", "b.vmdk").replace(b'diskId="f1"', b'diskId="f0"'), "DiskSection"),
        (description("a.vmdk").replace(b'fileRef="f0"', b'fileRef="f9"'), "fileRef"),
        (description("a.vmdk").replace(b"ovf:diskId", b'ovf:parentRef="x" ovf:diskId'), "parentRef"),
        (description("a.vmdk", size=2**63), "capacity"),
        (description("a.vmdk", size=10 * 2**50), "capacity"),
        (description("a.vmdk").replace(b'capacity="0"', b'capacity="-1"'), "capacity"),
        (description("a.vmdk").replace(b'capacity="0"', 'capacity="٣"'.encode()), "capacity"),
        (description(*[f"{n}.vmdk" for n in range(257)]), "DiskSection"),
        (description("a.vmdk").replace(b"ovf:diskId", b'ovf:capacityAllocationUnits="b" ovf:diskId'), "Allocation"),
        (
            description("a.vmdk").replace(b"ovf:diskId", b'ovf:capacityAllocationUnits="byte*9^999" ovf:diskId'),
            "Allocation",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_description_that_breaks_a_rule_is_refused_by_field(text, field):
    began = time.monotonic()
    with pytest.raises(ImageRefused) as caught:
        parse_ovf(text, "x.ovf")
    assert caught.value.field.startswith(field), caught.value
    assert caught.value.exit_code == 3 and len(str(caught.value)) < 400
    assert time.monotonic() - began < 5


def test_disks_of_a_package_of_several_machines_are_found():
    text = description("a.vmdk", "b.vmdk").replace(b"<VirtualSystem ", b"<VirtualSystem/><VirtualSystem ")
    assert [disk.file.name for disk in disk_files(text, "x")] == ["a.vmdk", "b.vmdk"]
