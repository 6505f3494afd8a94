"""A 64 MiB guest of the initramfs-tools family that is already as conversion would leave it.

Built in a second, without root: `mke2fs -d` writes a directory tree into the partition of a raw file. It holds no
program, so it boots nowhere; its kernel has EC2's drivers built in, so that no initramfs is due.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
SIZE = 64 * MIB
ROOT_UUID = "0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a5e01"
DATA_UUID = "0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a5e02"
KERNEL = "6.1.0-99-amd64"
BUILTIN = "".join(
    f"kernel/drivers/{name}.ko\n" for name in ("nvme/host/nvme-core", "nvme/host/nvme", "net/ethernet/amazon/ena/ena")
)
COMMAND_LINE = (
    f"root=UUID={ROOT_UUID} ro console=tty0 console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295"
)
FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "etc/debian_version": "12.12\n",
    "etc/fstab": f"UUID={ROOT_UUID} / ext4 defaults 0 1\nUUID={DATA_UUID} /srv/data ext4 defaults 0 2\n",
    "etc/network/interfaces": "# what DHCP needs\nauto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n",
    "etc/initramfs-tools/initramfs.conf": "MODULES=most\n",
    "etc/initramfs-tools/modules": "# nothing\n",
    "etc/default/grub": f'GRUB_CMDLINE_LINUX="{COMMAND_LINE.split(" ro ")[1]}"\n',
    "boot/grub/grub.cfg": f"menuentry 'Debian' {{\n\tlinux\t/boot/vmlinuz-{KERNEL} {COMMAND_LINE}\n}}\n",
    f"boot/vmlinuz-{KERNEL}": "no kernel\n",
    f"boot/initrd.img-{KERNEL}": "no initramfs\n",
    f"lib/modules/{KERNEL}/modules.dep": "",
    f"lib/modules/{KERNEL}/modules.builtin": BUILTIN,
    "usr/sbin/update-initramfs": "#!/bin/false\n",
    "sbin/dhclient": "#!/bin/false\n",
    "lib/systemd/systemd": "#!/bin/false\n",
    "srv/data/.mountpoint": "",
}


# What makes the same guest one that VMware left: to be given as `changes`.
KERNEL_LINE = f"linux /boot/vmlinuz-{KERNEL} root=/dev/sda1 ro quiet"
FROM_VMWARE = {
    "etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n/dev/sdb1 /srv/data ext4 defaults 0 2\n",
    "etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 10.1.1.5/24\n gateway 10.1.1.1\n",
    "etc/udev/rules.d/70-persistent-net.rules": 'ATTR{address}=="00:50:56:00:00:01", NAME="eth0"\n',
    "etc/default/grub": 'GRUB_CMDLINE_LINUX=""\nGRUB_DISABLE_LINUX_UUID=true\n',
    "boot/grub/grub.cfg": f"menuentry 'Debian' {{\n\t{KERNEL_LINE}\n}}\n",
}
# The same with netplan, what ifupdown and NetworkManager left behind, and Red Hat's file where SUSE has a directory.
NETPLAN = {
    **FROM_VMWARE,
    "usr/sbin/netplan": "#!/bin/false\n",
    "etc/netplan/00-installer-config.yaml": "network:\n  ethernets:\n    ens192: {addresses: [10.1.1.6/24]}\n",
    "etc/sysconfig/network": "GATEWAY=10.1.1.1\n",
    "etc/NetworkManager/system-connections/lan": "[connection]\ntype=ethernet\n[ipv4]\naddress1=10.1.1.7/24\n",
}


def build(directory: Path, *, changes: dict[str, str] | None = None) -> tuple[Path, Path]:
    """Make `root.raw` and `data.raw` in `directory`; `changes` replaces or adds files of the root (path: text)."""
    directory.mkdir(parents=True, exist_ok=True)
    root, data = directory / "root.raw", directory / "data.raw"
    write_disk(root, {**FILES, **(changes or {})}, uuid=ROOT_UUID, signature=0x5AD1E011)
    orders = "".join(f"order {number}\n" for number in range(200_000))
    write_disk(data, {"orders.txt": orders}, uuid=DATA_UUID, signature=0x5AD1E012)
    return root, data


def write_disk(
    path: Path,
    files: dict[str, str],
    *,
    uuid: str,
    signature: int,
    size: int = SIZE,
    change: Callable[[Path], None] | None = None,
) -> None:
    """A raw disk with one ext4 partition that holds `files`, and what `change` makes of their tree."""
    sectors, first = size // 512, 2048
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, sectors - first)
    with path.open("wb") as disk:
        disk.truncate(size)
        disk.write(bytes(440) + struct.pack("<IH", signature, 0) + entry + bytes(48) + b"\x55\xaa")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for relative, text in files.items():
            file = tree / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        if change is not None:
            change(tree)
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^orphan_file,^metadata_csum_seed", "-U", uuid, "-d", name]
            + ["-E", f"offset={first * 512},hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"]
            + [str(path), f"{(size - first * 512) // 1024}k"],
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
