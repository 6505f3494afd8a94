"""The small guest with its system in LUKS: /boot on the first partition, the LUKS volume on the second.

cryptsetup makes the headers here (on files, without device-mapper); what lies in them is put there in an appliance.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import guestfs

from runner.acceleration import accelerator
from tests.runner.guest import small_guest

MIB = small_guest.MIB
KEY = "Pferd & Batterie, äh"
LUKS_UUID = "0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a5e10"
BOOT_UUID = "0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a5e11"
NAME = "sda2_crypt"
_BOOT_MIB, _SYSTEM_MIB, _HEADER_MIB = 16, 48, 16
_PBKDF = {
    "luks1": ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"),
    "luks2": ("--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "32768")
    + ("--pbkdf-parallel", "1"),
}


@dataclass(frozen=True)
class Layout:
    """A guest to make: `root` is what it calls its root's device."""

    header: Literal["luks1", "luks2"]
    root: str

    @property
    def files(self) -> dict[str, str]:
        """Its files, those in boot/ on a file system of their own."""
        system, boot = f"{self.root} / ext4 defaults 0 1\n", "/dev/sda1 /boot ext4 defaults 0 2\n"
        return {
            **small_guest.FILES,
            "etc/fstab": system + boot,
            "etc/crypttab": f"{NAME} UUID={LUKS_UUID} none luks,discard\n",
            "etc/default/grub": 'GRUB_CMDLINE_LINUX=""\n',
            "usr/share/initramfs-tools/hooks/cryptroot": "#!/bin/false\n",
            "boot/grub/grub.cfg": f"linux /vmlinuz-{small_guest.KERNEL} root={self.root} ro quiet\n",
            "boot/.mountpoint": "",
        }


PLAIN = Layout("luks1", f"/dev/mapper/{NAME}")
WITH_LVM = Layout("luks2", "/dev/mapper/vg--app-root")


def build(path: Path, layout: Layout) -> None:
    """Make the raw disk `path`. Starts an appliance, but for the headers."""
    boot = {name.removeprefix("boot/"): text for name, text in layout.files.items() if name.startswith("boot/")}
    system = {name: text for name, text in layout.files.items() if not name.startswith("boot/")}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        parts = (scratch / "boot", _BOOT_MIB), (scratch / "luks", _SYSTEM_MIB + _HEADER_MIB)
        _file_system(parts[0][0], boot, BOOT_UUID, _BOOT_MIB)
        _file_system(scratch / "system", {**system, "boot/.mountpoint": ""}, small_guest.ROOT_UUID, _SYSTEM_MIB - 8)
        _header(parts[1][0], layout.header, parts[1][1], scratch / "key")
        at, table = 1, b""
        with path.open("wb") as disk:
            for flag, (part, size) in zip((0x80, 0), parts, strict=True):
                table += struct.pack(
                    "<B3sB3sII", flag, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", at * MIB // 512, size * MIB // 512
                )
                disk.seek(at * MIB)
                disk.write(part.read_bytes())
                at += size
            disk.truncate(at * MIB)
            disk.seek(0)
            disk.write(bytes(440) + struct.pack("<IH", 0x5AD1E021, 0) + table + bytes(32) + b"\x55\xaa")
        _fill(path, scratch / "system", lvm=layout is WITH_LVM)


def _file_system(path: Path, files: dict[str, str], uuid: str, size: int) -> None:
    tree = path.with_suffix(".tree")
    for relative, text in files.items():
        file = tree / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    # LUKS 2 has sectors of 4 KiB here, and no file system may have smaller blocks.
    features = ("-b", "4096", "-O", "^orphan_file,^metadata_csum_seed")
    _run("mke2fs", "-q", "-t", "ext4", *features, "-U", uuid, "-d", tree, path, f"{size}M")


def _header(path: Path, kind: str, size: int, key: Path) -> None:
    key.write_text(KEY, encoding="utf-8")
    with path.open("wb") as file:
        file.truncate(size * MIB)
    _run("cryptsetup", "luksFormat", "-q", "--type", kind, *_PBKDF[kind], "--uuid", LUKS_UUID, path, key)


def _fill(disk: Path, system: Path, *, lvm: bool) -> None:
    g: Any = guestfs.GuestFS(python_return_dict=True)
    g.set_backend("direct")
    if accelerator() == "tcg":
        g.set_backend_setting("force_tcg", "1")
    for each in (disk, system):
        g.add_drive_opts(str(each), format="raw", cachemode="unsafe")
    g.launch()
    try:
        g.cryptsetup_open("/dev/sda2", KEY, "made")
        device = "/dev/mapper/made"
        if lvm:
            g.pvcreate(device)
            g.vgcreate("vg-app", [device])
            g.lvcreate_free("root", "vg-app", 100)
            device = "/dev/vg-app/root"
        g.copy_device_to_device("/dev/sdb", device)
        g.shutdown()
    finally:
        g.close()


def _run(*argv: str | Path) -> None:
    subprocess.run([str(word) for word in argv], check=True, stdin=subprocess.DEVNULL, timeout=60)
