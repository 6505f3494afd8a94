"""Documents of ours: written and read they are the same, and damage is told instead of passed on."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.changes import ChangedExtent, ChangeList
from schemas.document import DocumentDamaged, Kind, read_document, unstructure, write_document
from schemas.errors import INTEGRITY
from schemas.event import Event
from schemas.manifest import DiskRecord, EditRecord, InjectedBlock, Manifest, SourceRecord
from schemas.outputs import Outputs
from tests.schemas.documents import events, manifests, outputs

MANIFEST = Manifest(
    version=1,
    replication="web01",
    generation=2,
    kind="incremental",
    status="finished",
    created="2026-11-23T06:10:14Z",
    region="eu-central-1",
    instance_id="i-0123456789abcdef0",
    guest="Debian GNU/Linux 12",
    disks=(
        DiskRecord(
            id="root",
            volume_id="vol-0123456789abcdef0",
            volume_bytes=1 << 30,
            source=SourceRecord("/images/root.raw", "raw", 1 << 30, 1_700_000_000_000_000_000, 12, 2049, "v1 e1", "c1"),
            integrity_snapshot_id="snap-0123456789abcdef0",
            digest_file="generation-0001/root.digests",
            digest_of_digests="00" * 32,
            copy="11" * 16,
            injected=(InjectedBlock(524288, 524288, "ab" * 16),),
            bytes_changed=1,
            bytes_deviating=2,
            bytes_written=3,
        ),
    ),
    edits=(EditRecord("/etc/fstab", "replaced", "device names change"),),
    base=1,
    finished="2026-11-23T06:20:14Z",
    seconds=600.0,
    seal="00" * 32,
)
OUTPUTS = Outputs(
    contract=1,
    replication="web01",
    phase="staging",
    launched=False,
    slots={"root": "xvdf"},
    root_device="/dev/xvda",
    destination_devices={"root": "/dev/xvda"},
    volumes={"root": "vol-0123456789abcdef0"},
    sizes_gib={"root": 40},
    access_node_id="i-0123456789abcdef0",
    instance_id="i-0fedcba9876543210",
)
EVENT = Event("2026-11-23T06:10:14.5Z", "web01", "restore", "progress", "root", 5, 10, 0.5, "half way")
CHANGES = ChangeList(1, "c2", "c1", 1 << 30, (ChangedExtent(4096, 512),))
KINDS: list[tuple[Kind, Any]] = [
    ("manifest", MANIFEST),
    ("outputs", OUTPUTS),
    ("event", EVENT),
    ("changes", CHANGES),
]


@settings(max_examples=30)
@given(st.tuples(st.just("manifest"), manifests) | st.tuples(st.just("outputs"), outputs))
def test_what_was_written_is_read(written: tuple[Kind, Any]) -> None:
    kind, model = written
    assert read_document(write_document(model, kind), kind, type(model), "here") == model


@settings(max_examples=50)
@given(events)
def test_an_event_is_one_line(event: Event) -> None:
    line = write_document(event, "event", one_line=True)
    assert line.endswith("\n") and "\n" not in line[:-1]
    assert None not in json.loads(line).values()
    assert read_document(line, "event", Event, "here") == event


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def put(document: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """A copy of a document with another value at one place."""
    if not place:
        return value
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return document


def damaged(kind: Kind, model: Any, document: Any) -> DocumentDamaged:
    with pytest.raises(DocumentDamaged) as raised:
        read_document(json.dumps(document), kind, type(model), "s3://bucket/web01")
    return raised.value


# Each field of each kind, with a value of each other JSON type than its own.
FIELDS = [
    pytest.param(kind, model, place, id=f"{kind}-{'.'.join(map(str, place))}")
    for kind, model in KINDS
    for place in places(unstructure(model))
]


@pytest.mark.parametrize(("kind", "model", "place"), FIELDS)
def test_a_field_of_another_type_is_damage(kind: Kind, model: Any, place: tuple[str | int, ...]) -> None:
    whole = unstructure(model)
    here = whole
    for key in place:
        here = here[key]
    others = [None, {"x": [1]}, [["x"]]] + ([True] if not isinstance(here, bool) else ["true"])
    others += ["12"] if isinstance(here, int | float) else [7, 1.5] if isinstance(here, str) else []
    for other in others:
        error = damaged(kind, model, put(whole, place, other))
        assert error.exit_code == INTEGRITY and error.kind == kind and error.where == "s3://bucket/web01"


@pytest.mark.parametrize(("kind", "model", "place"), [field for field in FIELDS if field.values[2]])
def test_a_missing_field_is_damage(kind: Kind, model: Any, place: tuple[str | int, ...]) -> None:
    whole = unstructure(model)
    less = copy.deepcopy(whole)
    inner = less
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    optional = {
        "event": {"disk", "bytes_done", "bytes_total", "seconds", "message"},
        "outputs": {"instance_id"},
        "changes": set(),
        "manifest": {"version", "change_id", "bytes_changed", "bytes_deviating", "bytes_written"}
        if len(place) > 1
        else {"base", "finished", "seconds", "seal"},
    }[kind]
    free = {"slots", "destination_devices", "volumes", "sizes_gib", "injected", "edits", "extents"}
    if place[-1] in optional or (len(place) > 1 and place[-2] in free):
        assert read_document(json.dumps(less), kind, type(model), "here") != model
    else:
        assert str(place[-1]) in damaged(kind, model, less).fault or place == ("disks", 0)


@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_an_unknown_field_is_damage(kind: Kind, model: Any) -> None:
    assert "colour" in damaged(kind, model, {**unstructure(model), "colour": "blue"}).fault


@pytest.mark.parametrize(
    ("kind", "place", "value"),
    [
        ("manifest", ("version",), 2),
        ("manifest", ("replication",), "Web01"),
        ("manifest", ("replication",), "web01\n"),
        ("manifest", ("generation",), 0),
        ("manifest", ("kind",), "partial"),
        ("manifest", ("status",), "done"),
        ("manifest", ("created",), "yesterday"),
        ("manifest", ("instance_id",), "vol-1"),
        ("manifest", ("disks",), []),
        ("manifest", ("disks", 0, "volume_id"), "i-1"),
        ("manifest", ("disks", 0, "volume_bytes"), 0),
        ("manifest", ("disks", 0, "integrity_snapshot_id"), ""),
        ("manifest", ("disks", 0, "digest_of_digests"), "00"),
        ("manifest", ("disks", 0, "copy"), "00"),
        ("manifest", ("disks", 0, "source", "bytes"), -1),
        ("manifest", ("disks", 0, "injected", 0, "offset"), -1),
        ("manifest", ("disks", 0, "injected", 0, "length"), 0),
        ("manifest", ("disks", 0, "injected", 0, "digest"), "zz" * 16),
        ("outputs", ("contract",), 2),
        ("outputs", ("phase",), "moving"),
        ("outputs", ("slots", "root"), "sdf"),
        ("outputs", ("volumes", "root"), "vol-"),
        ("outputs", ("sizes_gib", "root"), 0),
        ("outputs", ("access_node_id",), "node"),
        ("event", ("time",), "now"),
        ("event", ("status",), "done"),
        ("event", ("bytes_done",), -1),
        ("event", ("seconds",), -0.1),
    ],
)
def test_a_value_out_of_bounds_is_damage(kind: Kind, place: tuple[str | int, ...], value: Any) -> None:
    model = dict(KINDS)[kind]
    assert damaged(kind, model, put(unstructure(model), place, value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        b"\xff\xfe",
        "[" * 100_000,
        write_document(MANIFEST, "manifest").replace('"generation": 2', '"generation": 1, "generation": 2'),
        '{"version": NaN}',
        '{"seconds": Infinity}',
        write_document(MANIFEST, "manifest")[:-3],
        write_document(MANIFEST, "manifest") + "x",
        write_document(OUTPUTS, "outputs"),
    ],
)
def test_what_is_no_manifest_at_all(text: str | bytes) -> None:
    with pytest.raises(DocumentDamaged):
        read_document(text, "manifest", Manifest, "here")


def test_what_must_not_be_written_is_not() -> None:
    for wrong in (replace(MANIFEST, generation=0), replace(MANIFEST, disks=()), OUTPUTS):
        with pytest.raises(DocumentDamaged):
            write_document(wrong, "manifest")
    with pytest.raises(ValueError, match="JSON"):
        write_document(replace(EVENT, seconds=float("inf")), "event")


def test_outputs_without_an_instance() -> None:
    # Terraform leaves null outputs out.
    document = unstructure(OUTPUTS)
    del document["instance_id"]
    assert read_document(json.dumps(document), "outputs", Outputs, "here") == replace(OUTPUTS, instance_id="")
