"""The lock in S3, against the lab's S3: one holder, renewal, the dead, force."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import boto3
import pytest
from blake3 import blake3

from runner.aws import lock as lock_module
from runner.aws.account import Account
from runner.aws.bucket import BucketManifests, ManifestChanged
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
    made = BucketLock(there, backend, "web01", "tester", "this boot:1:2")
    made._me = dataclasses.replace(made._me, host=host, pid=pid)
    return made


def test_one_holder_and_free_again_afterwards(there: Account, backend: S3Backend) -> None:
    second = another(there, backend)
    refused = pytest.raises(LockedElsewhere, match="s3://locks/replicas/web01/lock.json")
    with held(BucketLock(there, backend, "web01", "tester", "this boot:1:2"), Event()), refused:
        second.take()
    another(there, backend).take()


def test_a_dead_process_of_this_machine_holds_nothing(there: Account, backend: S3Backend) -> None:
    dead = BucketLock(there, backend, "web01", "tester", "this boot:1:2")
    dead._me = dataclasses.replace(dead._me, pid=2**22 + 1)  # beyond Linux's largest process id
    dead.take()
    BucketLock(there, backend, "web01", "tester", "this boot:1:2").take()


def test_a_process_of_another_home_is_not_judged_by_its_id(there: Account, backend: S3Backend) -> None:
    """In another container of the same host and user names, whose process ids are not ours."""
    live = BucketLock(there, backend, "web01", "tester", "this boot:3:4")
    live._me = dataclasses.replace(live._me, pid=2**22 + 1)
    live.take()
    for home in ("this boot:1:2", ""):
        mine = BucketLock(there, backend, "web01", "tester", home)
        assert mine.holder()
        with pytest.raises(LockedElsewhere):
            mine.take()


def test_one_of_another_machine_lives_until_it_is_silent(
    there: Account, backend: S3Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    another(there, backend, pid=2**22 + 1).take()
    mine = BucketLock(there, backend, "web01", "tester", "this boot:1:2")
    with pytest.raises(LockedElsewhere, match="elsewhere"):
        mine.take()
    monkeypatch.setattr(lock_module, "LIFE", timedelta(seconds=1))
    time.sleep(2.1)  # S3 tells times in whole seconds
    mine.take()


def written_at(there: Account) -> datetime:
    return there.s3.head_object(Bucket="locks", Key="replicas/web01/lock.json")["LastModified"]


def test_it_is_renewed_and_its_loss_is_noticed(there: Account, backend: S3Backend) -> None:
    lost = Event()
    thief = another(there, backend)
    with (
        pytest.raises(LockLost),
        held(BucketLock(there, backend, "web01", "tester", "this boot:1:2"), lost, seconds=0.2),
    ):
        before = written_at(there)
        patience = time.monotonic() + 10
        while written_at(there) <= before:  # S3 tells times in whole seconds
            assert time.monotonic() < patience
            time.sleep(0.1)
        assert not lost.is_set()
        thief.take(break_it=True)
        assert lost.wait(10)
    body = there.s3.get_object(Bucket="locks", Key="replicas/web01/lock.json")["Body"].read()
    assert json.loads(body)["host"] == "elsewhere"  # what is no longer ours stays


def manifest(content: bytes, copy: str = "ef" * 16) -> Manifest:
    """Generation 1 of one disk, whose digest file has this content."""
    disk = DiskRecord(
        id="root",
        volume_id="vol-0123456789abcdef0",
        volume_bytes=1 << 30,
        source=SourceRecord("/images/root.raw", "raw", 1 << 29, 1, 2, 3),
        integrity_snapshot_id="snap-0123456789abcdef0",
        digest_file="generation-0001/root.digests",
        digest_of_digests=blake3(content).hexdigest(),
        copy=copy,
        injected=(),
    )
    return Manifest(1, "web01", 1, "full", "finished", "2026-11-23T06:00:00Z", "r", "", "Debian", (disk,), ())


@pytest.fixture
def stores(there: Account, backend: S3Backend, tmp_path: Path) -> Iterator[tuple[BucketManifests, BucketManifests]]:
    """The same replication's manifests as two machines have them; each wrote a digest file of its own."""
    here, new = (BucketManifests(there, backend, "web01", Manifests(tmp_path / name)) for name in ("here", "new"))
    for store, content in ((here, CONTENT), (new, OTHER)):
        store.digest_file(1, "root").parent.mkdir(parents=True)
        store.digest_file(1, "root").write_bytes(content)
    yield here, new
    new.clear()


CONTENT, OTHER = b"digests" + bytes(3 << 20) + b"end", b"another try's"


def test_digests_come_from_the_bucket_to_another_machine(stores: tuple[BucketManifests, BucketManifests]) -> None:
    here, new = stores
    written = manifest(CONTENT)
    (disk,) = written.disks
    here.write(written)
    new.digest_file(1, "root").unlink()
    assert new.read(1) == written
    assert new.fetch_digests(1, disk).read_bytes() == CONTENT
    assert not new.fetch_digests(1, dataclasses.replace(disk, id="data")).exists()
    new.drop_digests(1)
    assert not new.fetch_digests(1, disk).exists() and new.generations() == [1]


def test_digests_of_another_try_hide_nothing(stores: tuple[BucketManifests, BucketManifests]) -> None:
    here, new = stores
    here.write(manifest(CONTENT))
    assert new.fetch_digests(1, manifest(CONTENT).disks[0]).read_bytes() == CONTENT
    assert new.digest_file(1, "root").read_bytes() == OTHER  # a run under way may still need it


def test_who_decided_by_an_older_manifest_does_not_write(stores: tuple[BucketManifests, BucketManifests]) -> None:
    here, new = stores
    assert new.read(1) is None
    here.write(manifest(CONTENT))
    with pytest.raises(ManifestChanged):
        new.write(manifest(OTHER, copy="01" * 16))
    assert here.fetch_digests(1, manifest(CONTENT).disks[0]).read_bytes() == CONTENT
    here.digest_file(1, "root").unlink()
    assert here.fetch_digests(1, manifest(CONTENT).disks[0]).read_bytes() == CONTENT  # the loser's lie elsewhere
    assert new.read(1) == manifest(CONTENT)
    here.write(dataclasses.replace(manifest(CONTENT), guest="Debian 12"))
    with pytest.raises(ManifestChanged):
        new.write(dataclasses.replace(manifest(CONTENT), status="pruned"))
    here.write(dataclasses.replace(manifest(CONTENT), status="pruned"))  # what one wrote oneself is known
