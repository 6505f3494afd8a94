"""Disks in the lab's S3: pinned, read in ranges, on good days and bad ones."""

from __future__ import annotations

import json
import random
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest

from runner.aws.account import AccessDenied, Account
from runner.aws.objects import ObjectBroken
from runner.blocks.errors import ImageRefused, ShortRead, SourceChanged, SourceEmpty, SourceMissing
from runner.blocks.source import Source
from runner.cli.main import run
from runner.lab.record import LabInfo
from runner.phases.sources import LocationRefused, open_place
from tests.lab_log import read_log

pytestmark = [pytest.mark.lab, pytest.mark.process]
MIB = 1024 * 1024
CONTENT = random.Random(4).randbytes(5 * MIB + 12345)
Fault = Callable[..., None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again, and how often, counts here, not how long it is waited for."""
    monkeypatch.setattr("runner.aws.objects._WAIT_SECONDS", 0.001)


@pytest.fixture
def s3(in_lab: LabInfo) -> Iterator[boto3.client]:
    client = boto3.client("s3")
    client.create_bucket(Bucket="exports")
    client.put_object(Bucket="exports", Key="a/web01.raw", Body=CONTENT)
    yield client
    listed = client.list_object_versions(Bucket="exports")
    for version in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])):
        client.delete_object(Bucket="exports", Key=version["Key"], VersionId=version["VersionId"])
    client.delete_bucket(Bucket="exports")


@pytest.fixture
def fault(in_lab: LabInfo) -> Iterator[Fault]:
    url = f"{in_lab.endpoint}/hotadd-lab/faults"

    def put(**told: object) -> None:
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(told).encode(), method="POST"))

    yield put
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))


def opened(key: str = "a/web01.raw", format: str = "raw") -> Source:
    return open_place(f"s3://exports/{key}", format, "", Account("us-east-1"))


def read(source: Source, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def test_ranges_are_the_object_s_bytes(s3) -> None:
    with closing(opened()) as source:
        assert source.size == len(CONTENT)
        for offset, length in ((0, 1), (3, 70_000), (MIB - 5, 10), (MIB, 2 * MIB), (17, 4 * MIB), (0, len(CONTENT))):
            assert read(source, offset, length) == CONTENT[offset : offset + length], (offset, length)
        assert [(e.offset, e.length, e.kind) for e in source.extents()] == [(0, len(CONTENT), "data")]
        with pytest.raises(ShortRead):
            read(source, len(CONTENT) - 1, 2)


def test_small_reads_share_their_requests(s3, in_lab: LabInfo) -> None:
    with closing(opened()) as source:
        for at in range(0, MIB, 4096):
            assert read(source, at, 4096) == CONTENT[at : at + 4096]
    lines = read_log(in_lab.layout.api_log)
    last_head = max(n for n, line in enumerate(lines) if line["action"] == "HeadObject")
    assert sum(line["action"] == "GetObject" for line in lines[last_head:]) == 1


def test_a_body_that_breaks_off_is_asked_for_again(s3, fault: Fault) -> None:
    with closing(opened()) as source:
        fault(action="GetObject", service="s3", error_code="broken-body", times=3)
        assert read(source, 5, 3 * MIB) == CONTENT[5 : 5 + 3 * MIB]
        assert read(source, 0, 100) == CONTENT[:100]


def test_a_body_that_never_comes_whole_is_an_error_with_its_place(s3, fault: Fault) -> None:
    with closing(opened()) as source:
        fault(action="GetObject", service="s3", error_code="broken-body", times=0)
        with pytest.raises(ObjectBroken) as broken:
            read(source, MIB, MIB)
    assert MIB <= broken.value.offset < 2 * MIB and broken.value.location == "s3://exports/a/web01.raw"


def test_throttling_is_ridden_out_and_denial_told(s3, fault: Fault) -> None:
    with closing(opened()) as source:
        fault(action="GetObject", service="s3", error_code="SlowDown", times=2)
        assert read(source, 0, MIB) == CONTENT[:MIB]
        fault(action="GetObject", service="s3", error_code="AccessDenied", times=1)
        with pytest.raises(AccessDenied, match="s3:GetObject"):
            read(source, MIB, MIB)


@pytest.mark.parametrize("versioned", [False, True])
def test_another_object_under_the_key_is_a_change(s3, versioned: bool) -> None:
    if versioned:
        s3.put_bucket_versioning(Bucket="exports", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="exports", Key="a/web01.raw", Body=CONTENT)
    with closing(opened()) as source:
        before = source.fingerprint()
        assert before.size == len(CONTENT) and before.version and before.changes(source.fingerprint()) == ""
        s3.put_object(Bucket="exports", Key="a/web01.raw", Body=CONTENT[::-1])
        assert "version" in before.changes(source.fingerprint())
        if versioned:  # what was begun is read from one version to its end; the copy stops at its next look
            assert read(source, 0, MIB) == CONTENT[:MIB]
        else:
            with pytest.raises(SourceChanged):
                read(source, 0, MIB)
        s3.delete_object(Bucket="exports", Key="a/web01.raw")
        with pytest.raises(SourceChanged, match="deleted"):
            source.fingerprint()


def test_what_cannot_be_read_is_refused(s3) -> None:
    s3.put_object(Bucket="exports", Key="empty.raw", Body=b"")
    for key, format, error in (
        ("none.raw", "raw", SourceMissing),
        ("empty.raw", "raw", SourceEmpty),
        ("a/web01.raw", "vmdk", ImageRefused),
        ("a/web01.raw", "qcow2", LocationRefused),
    ):
        with pytest.raises(error) as refused:
            opened(key, format)
        assert refused.value.exit_code == 3
    with pytest.raises(SourceMissing):
        open_place("s3://nobody/key", "raw", "", Account("us-east-1"))


def test_a_vmdk_in_s3_is_the_disk_in_it(s3, tmp_path: Path) -> None:
    raw, image = tmp_path / "disk.raw", tmp_path / "disk.vmdk"
    content = CONTENT[: 3 * MIB] + bytes(9 * MIB) + b"end " * (MIB // 4)
    raw.write_bytes(content)
    options = ["-o", "subformat=streamOptimized"]
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", *options, str(raw), str(image)], check=True, timeout=60)
    s3.upload_file(str(image), "exports", "disk.vmdk")
    with closing(opened("disk.vmdk", "vmdk")) as source:
        assert source.size == len(content)
        assert read(source, 0, len(content)) == content
        before = source.fingerprint()
        s3.put_object(Bucket="exports", Key="disk.vmdk", Body=image.read_bytes()[::-1])
        assert before.version and "version" in before.changes(source.fingerprint())


def test_a_copy_from_s3_survives_broken_bodies(s3, fault: Fault, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "target"
    target.write_bytes(b"x" * len(CONTENT))
    fault(action="GetObject", service="s3", error_code="broken-body", times=4)
    assert run(["copy", "s3://exports/a/web01.raw", str(target), "--verify", "full"]) == 0
    assert target.read_bytes() == CONTENT
    assert (tmp_path / "s3-exports-a-web01.raw.digests").exists()
