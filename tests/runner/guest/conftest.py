"""Facts of guests as the probe would find them, without an appliance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.guest.facts import FileSystem, GuestFacts, Kernel, Mount, TextFile

ROOT = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e01"
DATA = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e02"
SWAP = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e03"
VOLUME = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e04"
ALL = ("ena", "nvme", "nvme_core", "xen_blkfront", "xen_netfront")

FILES = {
    "/etc/fstab": "/dev/sda1 / ext4 errors=remount-ro 0 1\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
    "/boot/grub/grub.cfg": "\tlinux\t/boot/vmlinuz-6.1.0-50-amd64 root=/dev/sda1 ro  quiet\n",
    "/etc/network/interfaces": "auto lo\niface lo inet loopback\nauto ens192\niface ens192 inet dhcp\n",
    "/etc/initramfs-tools/initramfs.conf": "# MODULES=dep would be small\nMODULES=most\n",
    "/etc/initramfs-tools/modules": "# List of modules\n",
}

FACTS = GuestFacts(
    os="linux",
    distribution="debian",
    version="12",
    product="Debian GNU/Linux 12 (bookworm)",
    firmwares=("bios",),
    root="/dev/sda1",
    disks=2,
    file_systems=(
        FileSystem("/dev/sda1", "ext4", ROOT, "root", "5ad1e001-01", 0, 1),
        FileSystem("/dev/sda5", "swap", SWAP, "", "5ad1e001-05", 0, 5),
        FileSystem("/dev/sdb1", "ext4", DATA, "data", "5ad1e002-01", 1, 1),
        FileSystem("/dev/vg-one/lv", "xfs", VOLUME, "", "", None, None),
    ),
    mounts=(Mount("/", "/dev/sda1", 2**30, 2**31),),
    kernels=(Kernel("6.1.0-50-amd64", ALL, (), "/boot/initrd.img-6.1.0-50-amd64", (), 6_000_000),),
    files=tuple(TextFile(path, text) for path, text in FILES.items()),
    paths=("/usr/sbin/update-initramfs", "/lib/systemd/systemd", "/sbin/dhclient"),
)

MakeFacts = Callable[..., GuestFacts]


@pytest.fixture
def make_facts() -> MakeFacts:
    """A guest of two disks; `files` replaces or adds files (text None: takes away), other names replace fields."""

    def make(files: dict[str, str | None] | None = None, **fields: object) -> GuestFacts:
        texts = {**FILES, **(files or {})}
        kept = tuple(TextFile(path, text) for path, text in texts.items() if text is not None)
        return replace(FACTS, files=kept, **fields)  # type: ignore[arg-type]  # fields by name

    return make
