"""The qcow2 reader, on files written byte by byte after QEMU's docs/interop/qcow2.txt."""

from __future__ import annotations

import struct

import pytest

from runner.guest.qcow2 import Cluster, Qcow2
from runner.guest.refusals import OverlayDamaged

CLUSTER = 524288
SIZE = 3 * CLUSTER + 512  # the last cluster is short


def image(*entries: int, clusters: int = 4, **header: int) -> bytes:
    """A qcow2 file: header, L1 table in cluster 1, L2 table in cluster 2, data from cluster 3 on."""
    fields = {"magic": 0x514649FB, "version": 3, "bits": 19, "size": SIZE, "crypt": 0, "snapshots": 0, "features": 0}
    f = {**fields, "l1": CLUSTER, "l2": 2 * CLUSTER | 1 << 63, **header}
    head = struct.pack(">IIQIIQIIQQIIQQQQII", f["magic"], f["version"], 0, 0, f["bits"], f["size"], f["crypt"], 1,
                       f["l1"], 0, 0, f["snapshots"], 0, f["features"], 0, 0, 4, 104)  # fmt: skip
    l1 = struct.pack(">Q", f["l2"])
    l2 = struct.pack(f">{len(entries)}Q", *entries)
    data = b"".join(bytes([number]) * CLUSTER for number in range(1, clusters - 2))
    return head.ljust(CLUSTER, b"\0") + l1.ljust(CLUSTER, b"\0") + l2.ljust(CLUSTER, b"\0") + data


def test_data_zero_and_unallocated_are_told_apart(tmp_path):
    path = tmp_path / "overlay"
    path.write_bytes(image(0, 3 * CLUSTER | 1 << 63, 1, 4 * CLUSTER | 1 << 63, clusters=5))
    with Qcow2(path, SIZE) as overlay:
        found = list(overlay.clusters())
        assert found == [
            Cluster(CLUSTER, CLUSTER, 3 * CLUSTER),
            Cluster(2 * CLUSTER, CLUSTER, None),
            Cluster(3 * CLUSTER, 512, 4 * CLUSTER),
        ]
        assert [overlay.content(cluster) for cluster in found] == [b"\1" * CLUSTER, bytes(CLUSTER), b"\2" * 512]


def test_a_last_cluster_that_qemu_left_short_reads_as_zeroes(tmp_path):
    path = tmp_path / "overlay"
    path.write_bytes(image(3 * CLUSTER | 1 << 63)[: 3 * CLUSTER + 4096])
    with Qcow2(path, SIZE) as overlay:
        (cluster,) = overlay.clusters()
        assert overlay.content(cluster) == b"\1" * 4096 + bytes(CLUSTER - 4096)


DAMAGED = {
    "another format": image(magic=0x4B444D56),
    "version 2": image(version=2),
    "another cluster size": image(bits=16),
    "another disk's size": image(size=SIZE + CLUSTER),
    "encrypted": image(crypt=2),
    "with snapshots": image(snapshots=1),
    "an external data file": image(features=4),
    "L1 table outside": image(l1=100 * CLUSTER),
    "L2 table outside": image(l2=100 * CLUSTER),
    "compressed cluster": image(3 * CLUSTER | 1 << 62),
    "data outside": image(100 * CLUSTER | 1 << 63),
    "beyond the disk": image(0, 0, 0, 0, 3 * CLUSTER | 1 << 63),
    "cut off": image(3 * CLUSTER | 1 << 63)[: 2 * CLUSTER + 100],
    "empty": b"",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_anything_else_than_what_we_made_is_damage(content, tmp_path):
    path = tmp_path / "overlay"
    path.write_bytes(content)
    with pytest.raises(OverlayDamaged), Qcow2(path, SIZE) as overlay:
        list(overlay.clusters())


def test_a_symlink_is_not_followed(tmp_path):
    (tmp_path / "overlay").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic link"):
        Qcow2(tmp_path / "overlay", SIZE)
