"""Documents of every kind, made up by hypothesis within what their schemas promise."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.event import Event
from schemas.manifest import DiskRecord, EditRecord, InjectedBlock, Manifest, SourceRecord
from schemas.outputs import Outputs

ids = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
names = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
texts = st.text(max_size=40)
hexes = st.from_regex(r"[0-9a-f]{8,17}", fullmatch=True)
copies = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
whole_digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
times = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0"))
sizes = st.integers(1, 2**62)


def prefixed(prefix: str) -> st.SearchStrategy[str]:
    return hexes.map(lambda tail: prefix + tail)


sources = st.builds(
    SourceRecord,
    path=texts,
    format=texts,
    bytes=sizes,
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    inode=st.integers(0, 2**64 - 1),
    device=st.integers(0, 2**64 - 1),
    version=texts,
    change_id=texts,
)
blocks = st.builds(InjectedBlock, offset=st.integers(0, 2**62), length=st.integers(1, 2**31), digest=digests)
disks = st.builds(
    DiskRecord,
    id=ids,
    volume_id=prefixed("vol-"),
    volume_bytes=sizes,
    source=sources,
    integrity_snapshot_id=prefixed("snap-"),
    digest_file=texts,
    digest_of_digests=whole_digests,
    copy=copies,
    injected=st.lists(blocks, max_size=3).map(tuple),
    bytes_changed=st.integers(0, 2**62),
    bytes_deviating=st.integers(0, 2**62),
    bytes_written=st.integers(0, 2**62),
)
manifests = st.builds(
    Manifest,
    version=st.just(1),
    replication=names,
    generation=st.integers(1, 10**9),
    created=times,
    region=texts,
    instance_id=st.just("") | prefixed("i-"),
    guest=texts,
    disks=st.lists(disks, min_size=1, max_size=3).map(tuple),
    edits=st.lists(st.builds(EditRecord, texts, texts, texts), max_size=3).map(tuple),
    base=st.integers(0, 10**9),
    finished=st.just("") | times,
    seconds=st.floats(0, 1e9),
    seal=st.just("") | whole_digests,
)
outputs = st.builds(
    Outputs,
    contract=st.just(1),
    replication=names,
    slots=st.dictionaries(ids, st.from_regex(r"xvd[a-z]{1,2}", fullmatch=True), max_size=3),
    root_device=st.sampled_from(["/dev/xvda", "/dev/sda1", "xvda"]),
    destination_devices=st.dictionaries(ids, texts, max_size=3),
    volumes=st.dictionaries(ids, prefixed("vol-"), max_size=3),
    sizes_gib=st.dictionaries(ids, st.integers(1, 65536), max_size=3),
    access_node_id=st.just("") | prefixed("i-"),
    instance_id=st.just("") | prefixed("i-"),
)
events = st.builds(
    Event,
    time=times,
    replication=names,
    step=st.from_regex(r"[a-z][a-z0-9 +:-]{0,20}", fullmatch=True),
    disk=st.none() | ids,
    bytes_done=st.none() | st.integers(0, 2**62),
    bytes_total=st.none() | st.integers(0, 2**62),
    seconds=st.none() | st.floats(0, 1e9),
    message=st.none() | texts,
)
