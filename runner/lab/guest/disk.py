"""The guest's raw disks: an MBR, one ext4 partition, GRUB in the gap before it. No loop device, no mount."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from runner.process import run

_SECTOR = 512
_FIRST_SECTOR = 2048  # where every partitioning tool of the last fifteen years starts the first partition
_MBR_CODE_BYTES = 440
_LINUX = 0x83
_MKE2FS_SECONDS = 600.0
# GRUB 2.06 and the kernels of older appliances cannot read what mke2fs of Debian 13 would switch on.
_FEATURES = "^orphan_file,^metadata_csum_seed"


def write_disk(path: Path, *, size: int, signature: int, uuid: str, label: str, tree: Path) -> None:
    """Make a raw disk of `size` bytes whose one bootable ext4 partition holds the files of `tree`."""
    with path.open("wb") as disk:
        disk.truncate(size)
        disk.write(_mbr(signature, size // _SECTOR))
    start = _FIRST_SECTOR * _SECTOR
    # hash_seed and uuid fixed, inode tables written now: else the kernel goes on writing them after the first mount.
    extended = f"offset={start},hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0"
    run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-O", _FEATURES, "-L", label, "-U", uuid, "-E", extended]
        + ["-d", str(tree), str(path), f"{(size - start) // 1024}k"],
        timeout=_MKE2FS_SECONDS,
    )


def embed_grub(path: Path, *, boot_image: bytes, core_image: bytes) -> None:
    """Write GRUB's boot.img into the MBR and core.img right behind it, where boot.img looks for it by default."""
    room = (_FIRST_SECTOR - 1) * _SECTOR
    if len(core_image) > room:
        raise ValueError(f"core.img has {len(core_image)} bytes, the gap before the first partition {room}")
    with path.open("r+b") as disk:
        disk.write(boot_image[:_MBR_CODE_BYTES])
        disk.seek(_SECTOR)
        disk.write(core_image)
        os.fsync(disk.fileno())


def _mbr(signature: int, sectors: int) -> bytes:
    # CHS addresses are what tools write for "use LBA". Layout: UEFI specification 2.10, table 5.1.
    chs = b"\xfe\xff\xff"
    entry = struct.pack("<B3sB3sII", 0x80, chs, _LINUX, chs, _FIRST_SECTOR, sectors - _FIRST_SECTOR)
    return bytes(_MBR_CODE_BYTES) + struct.pack("<IH", signature, 0) + entry + bytes(48) + b"\x55\xaa"
