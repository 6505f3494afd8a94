"""The superblocks of the root file systems: feature words and state, out of their bytes, before anything mounts them.

Pure. Layouts: ext2/3/4: the kernel's Documentation/filesystems/ext4/super.rst; XFS: "XFS Algorithms & Data
Structures", struct xfs_dsb; Btrfs: the kernel's include/uapi/linux/btrfs_tree.h, struct btrfs_super_block; JFS:
fs/jfs/jfs_superblock.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# (driver, offset of the superblock in the device), by what blkid calls the file system
PLACES = {
    "ext2": ("ext", 1024),
    "ext3": ("ext", 1024),
    "ext4": ("ext", 1024),
    "xfs": ("xfs", 0),
    "btrfs": ("btrfs", 65536),
    "jfs": ("jfs", 32768),
}
BYTES = 1024
_XFS_NEEDS_REPAIR = 1 << 4
_XFS_VERSIONS = (4, 5)
_JFS_VERSIONS = (1, 2)
_JFS_CLEAN, _JFS_MOUNTED = 0, 1
_EXT_ERRORS = 0x0002  # s_state: the kernel saw errors


@dataclass(frozen=True)
class Superblock:
    """What a superblock says. `words`: (name, value) of each feature word; `devices`: how many Btrfs lies on.

    `fault` is what the file system says against itself (empty: nothing). `unclean` is a journal that no mount
    replays (JFS's).
    """

    driver: str
    words: tuple[tuple[str, int], ...]
    devices: int = 1
    fault: str = ""
    unclean: bool = False


def read(kind: str, block: bytes) -> Superblock:
    """The superblock in the `BYTES` bytes at its place. A magic number that is not there is a `fault`."""
    driver = PLACES[kind][0]
    if len(block) < BYTES:
        return Superblock(driver, (), fault="its superblock lies past the end of the device")
    return {"ext": _ext, "xfs": _xfs, "btrfs": _btrfs, "jfs": _jfs}[driver](block)


def _ext(block: bytes) -> Superblock:
    magic, state = struct.unpack_from("<HH", block, 0x38)
    if magic != 0xEF53:
        return Superblock("ext", (), fault="its superblock has no magic number")
    revision = struct.unpack_from("<I", block, 0x4C)[0]
    # Revision 0 has no feature words; these bytes mean nothing there.
    incompat, ro_compat = struct.unpack_from("<II", block, 0x60) if revision else (0, 0)
    fault = "the kernel has seen errors in it and marked it" if state & _EXT_ERRORS else ""
    return Superblock("ext", (("incompat", incompat), ("ro_compat", ro_compat)), fault=fault)


def _xfs(block: bytes) -> Superblock:
    version = struct.unpack_from(">H", block, 100)[0] & 0xF
    if block[:4] != b"XFSB":
        return Superblock("xfs", (), fault="its superblock has no magic number")
    if version not in _XFS_VERSIONS:
        return Superblock("xfs", (), fault=f"its version is {version}; Linux has drivers for 4 and 5")
    if version == 4:  # its feature words of 1998 to 2013 are known to every driver of today
        return Superblock("xfs", ())
    ro_compat, incompat, log_incompat = struct.unpack_from(">III", block, 212)
    fault = "it says of itself that it needs xfs_repair" if incompat & _XFS_NEEDS_REPAIR else ""
    words = (("incompat", incompat & ~_XFS_NEEDS_REPAIR), ("ro_compat", ro_compat), ("log_incompat", log_incompat))
    return Superblock("xfs", words, fault=fault)


def _btrfs(block: bytes) -> Superblock:
    if block[0x40:0x48] != b"_BHRfS_M":
        return Superblock("btrfs", (), fault="its superblock has no magic number")
    (devices,) = struct.unpack_from("<Q", block, 0x88)
    _, ro_compat, incompat = struct.unpack_from("<QQQ", block, 0xAC)
    return Superblock("btrfs", (("incompat", incompat), ("ro_compat", ro_compat)), devices)


def _jfs(block: bytes) -> Superblock:
    if block[:4] != b"JFS1":
        return Superblock("jfs", (), fault="its superblock has no magic number")
    (version,) = struct.unpack_from("<I", block, 4)
    if version not in _JFS_VERSIONS:
        return Superblock("jfs", (), fault=f"its version is {version}; Linux has a driver for 1 and 2")
    (state,) = struct.unpack_from("<I", block, 40)
    fault = "" if state in (_JFS_CLEAN, _JFS_MOUNTED) else "it says of itself that it is damaged"
    return Superblock("jfs", (), fault=fault, unclean=state == _JFS_MOUNTED)
