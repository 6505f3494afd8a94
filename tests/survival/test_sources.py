"""Whole replications from disks that are no raw files: an OVA in S3, a qcow2 image, an NBD export."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from runner.lab import account
from tests.runner.blocks import package_made
from tests.runner.blocks.nbd_serving import qemu_nbd, serving, uri
from tests.survival import quick_guest
from tests.survival.driver import Fate
from tests.survival.ground import DISK_BYTES, Lab, Replication

pytestmark = [pytest.mark.lab, pytest.mark.process]


def converted(raw: Path, format: str, *options: str) -> Path:
    image = raw.with_suffix(f".{format}")
    subprocess.run(["qemu-img", "convert", "-O", format, *options, str(raw), str(image)], check=True, timeout=120)
    return image


def put(lab: Lab, key: str, image: Path) -> str:
    session = boto3.Session(account.ACCESS_KEY, account.SECRET_KEY, region_name=lab.info.region)
    s3 = session.client("s3", endpoint_url=lab.info.endpoint)
    s3.create_bucket(Bucket="exports")
    s3.upload_file(str(image), "exports", key)
    return f"s3://exports/{key}"


def test_an_ova_in_s3_and_a_qcow2_image(replication: Callable[[str], Replication], lab: Lab) -> None:
    made = replication("far")
    contents = {disk: made.source(disk).read_bytes() for disk in ("root", "data")}
    streamed = converted(made.source("root"), "vmdk", "-o", "subformat=streamOptimized").read_bytes()
    ova = made.directory / "far.ova"
    package_made.package(ova, {"far-disk1.vmdk": streamed, "other.vmdk": b"none of ours"})
    at = put(lab, "vm/far.ova", ova)
    made.edit(f"path: {made.source('root')}", f"path: '{at}', format: ova, member: far-disk1.vmdk")
    qcow2 = converted(made.source("data"), "qcow2", "-c")
    made.edit(f"path: {made.source('data')}", f"path: {qcow2}, format: qcow2")
    for disk in contents:
        made.source(disk).unlink()
    died = made.replicate(Fate("restore", writes=5))
    assert died.killed, died.said
    ended = made.replicate()
    assert ended.status == 0, ended.said
    for disk, content in contents.items():
        assert made.volume_file(disk).read_bytes()[:DISK_BYTES] == quick_guest.injected(content)
    records = made.records()
    assert records["root"]["source"]["path"] == at and records["root"]["source"]["version"]
    assert records["root"]["source"]["bytes"] == records["data"]["source"]["bytes"] == DISK_BYTES
    assert made.twice() == []


@pytest.mark.slow
def test_an_nbd_export(replication: Callable[[str], Replication], tmp_path: Path) -> None:
    made = replication("exported")
    contents = {disk: made.source(disk).read_bytes() for disk in ("root", "data")}
    moved = made.source("data").rename(tmp_path / "data.raw")
    socket = tmp_path / "s"
    made.edit(f"path: {made.source('data')}", f"path: '{uri(socket)}'")
    refused = made.replicate()
    assert refused.status == 3 and "cannot be read as a disk" in refused.said, refused.said
    with serving(qemu_nbd(moved, socket, "--shared=8"), socket):
        ended = made.replicate()
    assert ended.status == 0, ended.said
    for disk, content in contents.items():
        assert made.volume_file(disk).read_bytes()[:DISK_BYTES] == quick_guest.injected(content)
