"""From facts to what a user is told: verdict, reasons, drivers."""

from __future__ import annotations

from dataclasses import replace

from runner.guest.facts import Kernel
from runner.guest.inspection import describe
from schemas.document import read_document, write_document
from schemas.inspection import InspectedDisk, InspectedDriver, Inspection
from tests.runner.guest.conftest import MakeFacts

DISKS = [
    InspectedDisk("/a.ova", "ova", "root.vmdk", 1 << 30, ""),
    InspectedDisk("/a.ova", "ova", "b.vmdk", 1 << 29, ""),
]


def test_a_guest_that_can_be_replicated(make_facts: MakeFacts) -> None:
    found = describe(make_facts(tables=("dos", "gpt"), groups=("vg-one",)), DISKS)
    assert (found.supported, found.reasons, found.advice) == (True, (), ())
    assert [disk.partition_table for disk in found.disks] == ["dos", "gpt"] and found.volume_groups == ("vg-one",)
    assert (found.product, found.firmware, found.root) == ("Debian GNU/Linux 12 (bookworm)", "bios", "/dev/sda1")
    assert [(fs.device, fs.disk, fs.partition, fs.mounted_at) for fs in found.file_systems][::3] == [
        ("/dev/sda1", 0, 1, "/"),
        ("/dev/vg-one/lv", -1, -1, ""),
    ]
    assert found.boot_loaders == ("GRUB 2 (/boot/grub/grub.cfg)",)
    assert found.network == ("ifupdown (/etc/network/interfaces)",)
    assert "/etc/fstab" in [change.path for change in found.changes] and all(change.why for change in found.changes)
    assert read_document(write_document(found, "inspection"), "inspection", Inspection, "x") == found


def test_where_each_driver_is(make_facts: MakeFacts) -> None:
    kernel = Kernel("4.9.0", ("ena", "nvme"), ("nvme_core",), "/boot/initrd.img-4.9.0", ("nvme", "ena"), 5)
    (told,) = describe(make_facts(kernels=(kernel,)), DISKS).kernels
    assert told.drivers[:4] == (
        InspectedDriver("nvme", "module", True),
        InspectedDriver("nvme_core", "builtin", False),
        InspectedDriver("ena", "module", True),
        InspectedDriver("xen_blkfront", "absent", False),
    )


def test_what_else_is_told(make_facts: MakeFacts) -> None:
    old = Kernel("3.13.0-170-generic", ("nvme",), ("xen_blkfront", "xen_netfront"), "", (), 5, default=True)
    facts = make_facts(kernels=(make_facts().kernels[0], old))
    luks = replace(facts.file_systems[2], type="crypto_LUKS")
    facts = replace(
        facts,
        paths=(*facts.paths, "/usr/bin/vmtoolsd", "/usr/bin/cloud-init"),
        file_systems=(*facts.file_systems[:2], luks),
    )
    found = describe(facts, DISKS)
    assert (found.row, found.edition, found.encryption) == ("debian-12", "", ("LUKS (/dev/sdb1)",))
    assert found.agents == ("cloud-init", "VMware Tools")
    assert [kernel.version for kernel in found.kernels if kernel.default] == ["3.13.0-170-generic"]
    assert [(one.name, one.boots) for one in found.hypervisors] == [("nitro", False), ("xen", True)]
    assert found.hypervisors[0].reason == "its default kernel 3.13.0-170-generic has no ena"


def test_a_refusal_is_a_verdict_with_its_reason(make_facts: MakeFacts) -> None:
    kernel = Kernel("2.6.32", ("ena",), (), "", (), 0)
    found = describe(make_facts(kernels=(kernel,)), DISKS)
    assert not found.supported and "newer kernel" in found.advice[0]
    assert "(nvme, ena, xen_blkfront, xen_netfront)" in found.reasons[0]
    assert found.changes == ()
    unknown = replace(make_facts(), os="unknown", mounts=(), kernels=(), files=(), paths=())
    assert not describe(unknown, DISKS).supported


def test_a_fixed_address_is_advice_for_the_spec(make_facts: MakeFacts) -> None:
    static = "auto eth0\niface eth0 inet static\n address 10.1.1.5/24\n"
    found = describe(make_facts({"/etc/network/interfaces": static}), DISKS)
    assert found.supported and "10.1.1.5" in found.advice[0] and "network: dhcp" in found.advice[0]
    assert "/etc/network/interfaces" in [change.path for change in found.changes]


def test_the_verdict_is_about_the_firmware_asked_for(make_facts: MakeFacts) -> None:
    loader = "/boot/efi/EFI/BOOT/BOOTX64.EFI"
    both = make_facts(firmwares=("uefi",), paths=(*make_facts().paths, loader))
    assert describe(both, DISKS).firmware == "uefi" and describe(both, DISKS).supported
    assert "source.firmware: uefi" in " ".join(describe(both, DISKS).advice)
    refused = describe(both, DISKS, "bios")
    assert not refused.supported and "laid out for uefi" in refused.reasons[0]
