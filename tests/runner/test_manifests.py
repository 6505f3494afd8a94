"""Manifests in a directory."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.manifests import Manifests, write_manifest
from schemas.document import DocumentDamaged
from schemas.manifest import DiskRecord, EditRecord, InjectedBlock, Manifest, SourceRecord


def manifest(generation: int = 1) -> Manifest:
    disk = DiskRecord(
        id="root",
        volume_id="vol-0123456789abcdef0",
        volume_bytes=1 << 30,
        source=SourceRecord("/images/root.raw", "raw", 1 << 29, 1, 2, 3),
        integrity_snapshot_id="snap-0123456789abcdef0",
        digest_file="generation-0001/root.digests",
        digest_of_digests="ab" * 32,
        copy="ef" * 16,
        injected=(InjectedBlock(0, 524288, "cd" * 16),),
    )
    return Manifest(
        version=1,
        replication="web01",
        generation=generation,
        kind="full",
        status="prepared",
        created="2026-11-23T06:00:00.000Z",
        region="eu-central-1",
        instance_id="",
        guest="Debian",
        disks=(disk,),
        edits=(EditRecord("/etc/fstab", "rewritten", "names"),),
    )


# Left out, these are what they were: their defaults.
OPTIONAL = {"base", "finished", "seconds", "seal"}


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every number and text in a document."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*place, key))
    else:
        yield place


def flipped(value: Any) -> Any:
    """Another value of the same kind: the last digit or letter is another one."""
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1:] != "1" else "2") if value else "1"
    return value + 1


WHOLE = json.loads(write_manifest(manifest()))


@pytest.mark.parametrize("place", list(leaves(WHOLE)), ids=lambda place: ".".join(map(str, place)))
def test_a_manifest_with_another_value_anywhere_is_damaged(tmp_path: Path, place: tuple[str | int, ...]) -> None:
    store = Manifests(tmp_path)
    document = json.loads(write_manifest(manifest()))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = flipped(inner[place[-1]])
    store.path(1).write_text(json.dumps(document))
    with pytest.raises(DocumentDamaged):
        store.read(1)


def test_the_seal_can_be_checked_with_other_tools() -> None:
    """As schemas/manifest.schema.json says: canonical JSON without the seal, SHA-256."""
    document = json.loads(write_manifest(manifest()))
    seal = document.pop("seal")
    text = json.dumps({**document, "seal": ""}, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == seal


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    store = Manifests(tmp_path / "manifest")
    assert store.latest() is None
    store.write(manifest(1))
    store.write(manifest(2))
    store.write(dataclasses.replace(manifest(2), status="finished", instance_id="i-0123456789abcdef0"))
    assert store.generations() == [1, 2]
    assert store.read(1) == manifest(1)
    latest = store.latest()
    assert latest is not None and (latest.generation, latest.status) == (2, "finished")
    assert store.read(3) is None
    assert [p.name for p in (tmp_path / "manifest").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("field", sorted(json.loads(json.dumps(dataclasses.asdict(manifest())))))
def test_a_manifest_without_a_field_is_damaged(tmp_path: Path, field: str) -> None:
    store = Manifests(tmp_path)
    store.write(manifest())
    document = json.loads(store.path(1).read_text())
    del document[field]
    store.path(1).write_text(json.dumps(document))
    if field in OPTIONAL:
        assert store.read(1) == manifest()
        return
    with pytest.raises(DocumentDamaged) as damaged:
        store.read(1)
    assert field in damaged.value.fault
    assert damaged.value.exit_code == 4


def test_a_manifest_cut_short_is_damaged(tmp_path: Path) -> None:
    store = Manifests(tmp_path)
    store.write(manifest())
    store.path(1).write_bytes(store.path(1).read_bytes()[:-40])
    with pytest.raises(DocumentDamaged, match="no JSON"):
        store.latest()
