"""The lock in S3, against the lab's S3: one holder, renewal, the dead, force."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import boto3
import pytest

from runner.aws import lock as lock_module
from runner.aws.account import Account
from runner.aws.bucket import BucketManifests
from runner.aws.lock import BucketLock, LockedElsewhere, LockLost, held
from runner.lab import account
from runner.manifests import Manifests
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from schemas.spec import S3Backend

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Backend]:
    directory = tmp_path_factory.mktemp("lab")
    info = account.up(directory, boot=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment(directory).items():
            patch.setenv(name, value)
        place = {} if info.region == "us-east-1" else {"LocationConstraint": info.region}
        boto3.client("s3").create_bucket(Bucket="locks", CreateBucketConfiguration=place)  # type: ignore[arg-type]  # the region is the lab's
        yield S3Backend("locks", "replicas", info.region)
    account.down(directory)


@pytest.fixture
def there(backend: S3Backend) -> Iterator[Account]:
    made = Account(backend.region)
    yield made
    made.s3.delete_object(Bucket="locks", Key="replicas/web01/lock.json")


def another(there: Account, backend: S3Backend, host: str = "elsewhere", pid: int = 1) -> BucketLock:
    """A lock that a process of another machine would ask for."""
    made = BucketLock(there, backend, "web01", "tester")
    made._me = dataclasses.replace(made._me, host=host, pid=pid)
    return made


def test_one_holder_and_free_again_afterwards(there: Account, backend: S3Backend) -> None:
    second = another(there, backend)
    refused = pytest.raises(LockedElsewhere, match="s3://locks/replicas/web01/lock.json")
    with held(BucketLock(there, backend, "web01", "tester"), Event()), refused:
        second.take()
    another(there, backend).take()


def test_a_dead_process_of_this_machine_holds_nothing(there: Account, backend: S3Backend) -> None:
    dead = BucketLock(there, backend, "web01", "tester")
    dead._me = dataclasses.replace(dead._me, pid=2**22 + 1)  # beyond Linux's largest process id
    dead.take()
    BucketLock(there, backend, "web01", "tester").take()


def test_one_of_another_machine_lives_until_it_is_silent(
    there: Account, backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    another(there, backend, pid=2**22 + 1).take()
    mine = BucketLock(there, backend, "web01", "tester")
    with pytest.raises(LockedElsewhere, match="elsewhere"):
        mine.take()
    monkeypatch.setattr(lock_module, "LIFE", timedelta(seconds=1))
    time.sleep(2.1)  # S3 tells times in whole seconds
    mine.take()


def test_it_is_renewed_and_its_loss_is_noticed(there: Account, backend: S3Backend) -> None:
    lost = Event()
    thief = another(there, backend)
    with pytest.raises(LockLost), held(BucketLock(there, backend, "web01", "tester"), lost, seconds=0.2):
        before = there.s3.head_object(Bucket="locks", Key="replicas/web01/lock.json")["LastModified"]
        time.sleep(1.5)
        assert there.s3.head_object(Bucket="locks", Key="replicas/web01/lock.json")["LastModified"] > before
        assert not lost.is_set()
        thief.take(break_it=True)
        assert lost.wait(10)
    body = there.s3.get_object(Bucket="locks", Key="replicas/web01/lock.json")["Body"].read()
    assert json.loads(body)["host"] == "elsewhere"  # what is no longer ours stays


def test_digests_come_from_the_bucket_to_another_machine(there: Account, backend: S3Backend, tmp_path: Path) -> None:
    here, new = (BucketManifests(there, backend, "web01", Manifests(tmp_path / name)) for name in ("here", "new"))
    content = b"digests" + bytes(3 << 20) + b"end"
    here.digest_file(1, "root").parent.mkdir(parents=True)
    here.digest_file(1, "root").write_bytes(content)
    disk = DiskRecord(
        id="root",
        volume_id="vol-0123456789abcdef0",
        volume_bytes=1 << 30,
        source=SourceRecord("/images/root.raw", "raw", 1 << 29, 1, 2, 3),
        integrity_snapshot_id="snap-0123456789abcdef0",
        digest_file="generation-0001/root.digests",
        digest_of_digests="ab" * 32,
        copy="ef" * 16,
        injected=(),
    )
    manifest = Manifest(1, "web01", 1, "full", "finished", "2026-11-23T06:00:00Z", "r", "", "Debian", (disk,), ())
    here.write(manifest)
    assert new.read(1) == manifest
    assert new.fetch_digests(1, "root").read_bytes() == content
    assert not new.fetch_digests(1, "data").exists()
    new.drop_digests(1)
    assert not new.fetch_digests(1, "root").exists() and new.generations() == [1]
    new.clear()
