"""Disks of five distributions: their files where they have them, package databases by their own tools, no programs.

Made without an appliance: one ext4 partition a disk, whatever the row's guest has its root on.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.runner.guest import hostile, matrix_row, small_guest

ROWS = ("rhel-8", "centos-7", "ol-9", "sles-15", "ubuntu-22")
SIZE = 96 * 1024 * 1024
# How each distribution packs its modules: none, xz from RHEL 7 on, zstd of SUSE since 15 SP3.
SUFFIX = {"rhel-8": ".xz", "centos-7": ".xz", "ol-9": ".xz", "sles-15": ".zst", "ubuntu-22": ""}
PLACES = {
    "nvme": "drivers/nvme/host/nvme",
    "nvme_core": "drivers/nvme/host/nvme-core",
    "ena": "drivers/net/ethernet/amazon/ena/ena",
    "xen_blkfront": "drivers/block/xen-blkfront",
    "xen_netfront": "drivers/net/xen-netfront",
}
ENDS = b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"  # exit(0)


def uuid(name: str) -> str:
    """The UUID of the root."""
    return f"0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a70{ROWS.index(name):02x}"


def on_partition(name: str, text: str) -> str:
    """A command line of the row's guest with its root on this disk's partition."""
    text = re.sub(r"root=(/dev/mapper/\S+-root|/dev/sda[0-9]|UUID=root)", f"root=UUID={uuid(name)}", text)
    return re.sub(r" (resume|rd\.lvm\.lv)=[^\s\"]+", "", text)


def build(path: Path, name: str) -> None:
    """Make the raw disk of a row's guest. Needs rpm for those that have it."""
    files = {at: on_partition(name, text) for at, text in matrix_row.files_of(name).items()}
    files["/etc/fstab"] = f"UUID={uuid(name)} / ext4 defaults 0 1\n"
    files.pop("/etc/initramfs-tools/conf.d/resume", None)  # the disk has no swap area
    row = matrix_row.read(name)
    for version in matrix_row.versions_of(name):
        modules = f"/lib/modules/{version}"
        lines = [f"kernel/{PLACES[driver]}.ko{SUFFIX[name]}:\n" for driver in row["modules"]]
        files[f"{modules}/modules.dep"] = "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n" + "".join(lines)
        files[f"{modules}/modules.builtin"] = "".join(f"kernel/{PLACES[one]}.ko\n" for one in row.get("builtin", ()))
        files[f"/boot/vmlinuz-{version}"] = "a kernel\n"
        files[row["initramfs"].replace("@V", version)] = "an initramfs\n"

    def finish(tree: Path) -> None:
        for place in matrix_row.paths_of(name):
            at = hostile.remake(tree / place.lstrip("/"))
            if at.name.startswith("lsinit"):
                at.write_bytes(hostile.executable(ENDS))
                at.chmod(0o755)
            else:
                at.write_text("\n")
        _packages(tree, name)

    texts = {at.lstrip("/"): text for at, text in files.items()}
    signature = 0x5AD1E200 + ROWS.index(name)
    small_guest.write_disk(path, texts, uuid=uuid(name), signature=signature, size=SIZE, change=finish)


def _packages(tree: Path, name: str) -> None:
    """An empty database as the distribution's package manager makes it."""
    if name.startswith("ubuntu"):
        for part in ("status", "available", "info/format"):
            hostile.remake(tree / "var/lib/dpkg" / part).write_text("1\n" if "format" in part else "")
        subprocess.run(["dpkg", "--root", str(tree), "--add-architecture", "amd64"], check=True, timeout=60)
    else:
        directory = tree / "var/lib/rpm"
        directory.mkdir(parents=True)
        subprocess.run(["rpm", "--dbpath", str(directory), "--initdb"], check=True, timeout=60)
