"""What a file system's feature words mean, and since which Linux its driver takes each bit for writing. Pure data.

A driver refuses to mount, or to mount for writing, what has a bit it does not know: that is what these words are for.
Sources of the kernel numbers: ext4(5) of e2fsprogs 1.47, "KERNEL SUPPORT" (orphan_file: Linux 5.15's ext4 merge;
large_file and older: any kernel); btrfs(5) of btrfs-progs 6.2, "FILESYSTEM FEATURES" (free_space_tree_valid: 4.9,
verity: 5.15, block_group_tree: 6.1, raid_stripe_tree and simple_quota: 6.7, fs/btrfs of these); XFS: fs/xfs/libxfs/
xfs_format.h and mkfs.xfs(8). A bit that no released kernel takes has no number.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]

ANY: Version = (2, 6)
_NEVER = None


@dataclass(frozen=True)
class Feature:
    """A bit of a feature word. `since`: major and minor of the first Linux that writes such a file system."""

    word: str
    bit: int
    name: str
    since: Version | None


def _word(word: str, *features: tuple[int, str, Version | None]) -> tuple[Feature, ...]:
    return tuple(Feature(word, bit, name, since) for bit, name, since in features)


_EXT = (
    *_word(
        "incompat",
        *((0, "compression", _NEVER), (1, "filetype", ANY), (2, "needs_recovery", ANY), (3, "journal_dev", _NEVER)),
        *((4, "meta_bg", ANY), (6, "extent", ANY), (7, "64bit", ANY), (8, "mmp", (3, 0)), (9, "flex_bg", ANY)),
        *((10, "ea_inode", (4, 13)), (12, "dirdata", _NEVER), (13, "metadata_csum_seed", (4, 4))),
        *((14, "large_dir", (4, 13)), (15, "inline_data", (3, 8)), (16, "encrypt", (4, 1)), (17, "casefold", (5, 2))),
    ),
    *_word(
        "ro_compat",
        *((0, "sparse_super", ANY), (1, "large_file", ANY), (2, "btree_dir", ANY), (3, "huge_file", ANY)),
        *((4, "uninit_bg", ANY), (5, "dir_nlink", ANY), (6, "extra_isize", ANY), (7, "snapshot", _NEVER)),
        *((8, "quota", (3, 6)), (9, "bigalloc", (3, 2)), (10, "metadata_csum", (3, 18)), (11, "replica", _NEVER)),
        *((12, "read-only", _NEVER), (13, "project", (4, 5)), (14, "shared_blocks", _NEVER), (15, "verity", (5, 4))),
        (16, "orphan_present", (5, 15)),
    ),
)

_XFS = (
    *_word(
        "incompat",
        *((0, "ftype", (3, 10)), (1, "sparse", (4, 2)), (2, "meta_uuid", (4, 3)), (3, "bigtime", (5, 10))),
        *((5, "nrext64", (5, 19)), (6, "exchange", (6, 10)), (7, "parent", (6, 10)), (8, "metadir", (6, 13))),
        *((9, "zoned", (6, 15)), (10, "zone_gaps", (6, 15))),
    ),
    *_word(
        "ro_compat",
        *((0, "finobt", (3, 16)), (1, "rmapbt", (4, 8)), (2, "reflink", (4, 9)), (3, "inobtcount", (5, 10))),
    ),
    *_word("log_incompat", (0, "xattrs", (5, 19))),
)

_BTRFS = (
    *_word(
        "incompat",
        *((0, "mixed_backref", ANY), (1, "default_subvol", ANY), (2, "mixed_groups", ANY), (3, "compress_lzo", ANY)),
        *((4, "compress_zstd", (4, 14)), (5, "big_metadata", (3, 4)), (6, "extended_iref", (3, 7))),
        *((7, "raid56", (3, 9)), (8, "skinny_metadata", (3, 10)), (9, "no_holes", (3, 14))),
        *((10, "metadata_uuid", (5, 0)), (11, "raid1c34", (5, 5)), (12, "zoned", (5, 12))),
        *((13, "extent_tree_v2", _NEVER), (14, "raid_stripe_tree", (6, 7)), (16, "simple_quota", (6, 7))),
    ),
    *_word(
        "ro_compat",
        *((0, "free_space_tree", (4, 5)), (1, "free_space_tree_valid", (4, 9)), (2, "verity", (5, 15))),
        (3, "block_group_tree", (6, 1)),
    ),
)

# JFS has no feature words, but a version: 1 and 2 since it came to Linux (fs/jfs/jfs_superblock.h, JFS_VERSION).
TABLE: dict[str, tuple[Feature, ...]] = {"ext": _EXT, "xfs": _XFS, "btrfs": _BTRFS, "jfs": ()}


def unknown(driver: str, words: tuple[tuple[str, int], ...], kernel: Version) -> tuple[Feature, ...]:
    """The set bits that a kernel's driver does not take, `unknown bit N` for those that no table names."""
    known = {(feature.word, feature.bit): feature for feature in TABLE[driver]}
    found = []
    for word, value in words:
        for bit in (bit for bit in range(value.bit_length()) if value >> bit & 1):
            feature = known.get((word, bit), Feature(word, bit, f"unknown bit {bit}", _NEVER))
            if feature.since is None or feature.since > kernel:
                found.append(feature)
    return tuple(found)
