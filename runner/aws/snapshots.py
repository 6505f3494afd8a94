"""Integrity snapshots: made once a generation and disk, found again by tag.

CreateSnapshot has no client token: a caller that died after the call finds its snapshot by tag, or makes a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.aws.account import Account, aws_errors
from runner.aws.waiting import wait_for
from schemas.errors import HotaddError, IntegrityViolated
from schemas.naming import TAG_COPY, TAG_DISK, TAG_GENERATION, TAG_REPLICATION, TAG_ROLE, tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SnapshotTypeDef

# A first snapshot of a large volume copies everything to S3: hours. The caller's own patience is longer than that.
_COMPLETE_SECONDS = 24 * 3600.0
# EC2 is eventually consistent: seconds as a rule, "up to a few minutes" by its documentation. Later, it is not there.
LISTED_SECONDS = 300.0


@dataclass(frozen=True)
class Snapshot:
    """One EBS snapshot; `state` is pending, completed or error; `progress` is like ``42%``.

    `copy` is the id of the copy that the volume held (`schemas.manifest.DiskRecord`).
    """

    id: str
    volume_id: str
    state: str
    progress: str
    disk: str
    generation: int
    copy: str


class SnapshotErrored(IntegrityViolated):
    """EBS could not complete a snapshot, or somebody deleted it (`gone`).

    The volume is untouched: the snapshot can be taken again.
    """

    def __init__(self, snapshot_id: str, volume_id: str, state: str) -> None:
        super().__init__(
            f"The integrity snapshot {snapshot_id} of {volume_id} ended in {state}.",
            "Run the same command again: it is taken anew from the volume, which nothing has changed since.",
        )
        self.snapshot_id = snapshot_id


def _snapshot(raw: SnapshotTypeDef) -> Snapshot:
    found = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    return Snapshot(
        id=raw["SnapshotId"],
        volume_id=raw["VolumeId"],
        state=raw["State"],
        progress=raw.get("Progress", ""),
        disk=found.get(TAG_DISK, ""),
        generation=int(found.get(TAG_GENERATION, "0")),
        copy=found.get(TAG_COPY, ""),
    )


def find_snapshots(account: Account, replication: str, generation: int | None = None) -> list[Snapshot]:
    """The integrity snapshots of a replication, of one generation or of all."""
    filters = {TAG_REPLICATION: replication, TAG_ROLE: "integrity"}
    if generation is not None:
        filters[TAG_GENERATION] = str(generation)
    with aws_errors("ec2:DescribeSnapshots"):
        pages = account.ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=[{"Name": f"tag:{key}", "Values": [value]} for key, value in filters.items()]
        )
        found = [_snapshot(raw) for page in pages for raw in page["Snapshots"]]
    return sorted(found, key=lambda s: (s.disk, s.id))


def create_snapshot(
    account: Account, replication: str, generation: int, disk: str, volume_id: str, copy: str, extra: dict[str, str]
) -> str:
    """Start a snapshot of a volume with all our tags from its creation; its id. `copy` as in `Snapshot`."""
    wanted = {TAG_COPY: copy} | tags(replication, "integrity", disk=disk, generation=generation, extra=extra)
    with aws_errors("ec2:CreateSnapshot"):
        answer = account.ec2.create_snapshot(
            VolumeId=volume_id,
            Description=f"hotadd: {replication}, generation {generation}, disk {disk}",
            TagSpecifications=[
                {"ResourceType": "snapshot", "Tags": [{"Key": k, "Value": v} for k, v in wanted.items()]}
            ],
        )
    return answer["SnapshotId"]


def find_states(account: Account, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(state, progress like ``42%``) of those snapshots that exist, by id."""
    wanted = list(ids)
    if not wanted:
        return {}
    # A filter, not SnapshotIds: that raises for the first id that is gone. A filter takes 200 values.
    found: dict[str, tuple[str, str]] = {}
    with aws_errors("ec2:DescribeSnapshots"):
        for at in range(0, len(wanted), 200):
            filters: list[FilterTypeDef] = [{"Name": "snapshot-id", "Values": wanted[at : at + 200]}]
            pages = account.ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=filters)
            found |= {s["SnapshotId"]: (s["State"], s.get("Progress", "")) for page in pages for s in page["Snapshots"]}
    return found


def wait_completed(
    account: Account,
    snapshots: Mapping[str, str],
    stop: Callable[[], bool],
    tell: Callable[[str], None],
    otherwise: Callable[[str, str, str], HotaddError] = SnapshotErrored,
) -> None:
    """Wait until all these snapshots (id to its volume's id) are completed; `tell` hears how far they are.

    One that ends in `error`, or is deleted (`gone`), raises `otherwise(id, volume id, state)`.
    """
    said, began = "", time.monotonic()
    listed: set[str] = set()

    def look() -> tuple[bool | None, str]:
        nonlocal said
        states = find_states(account, snapshots)
        listed.update(states)
        for one, volume_id in snapshots.items():
            # DescribeSnapshots may not list a snapshot for a while after CreateSnapshot answered.
            lost = one not in states and (one in listed or time.monotonic() - began > LISTED_SECONDS)
            if lost or (one in states and states[one][0] == "error"):
                raise otherwise(one, volume_id, "gone" if lost else "error")
        waiting = {one: states.get(one, ("not listed", "")) for one in snapshots}
        words = ", ".join(f"{one} {' '.join(at).strip()}" for one, at in waiting.items() if at[0] != "completed")
        if words and words != said:
            said = words
            tell(f"Waiting for {words}.")
        return (None if words else True), words

    wait_for(look, "the snapshots to be completed", seconds=_COMPLETE_SECONDS, stop=stop)


def delete_snapshot(account: Account, snapshot_id: str) -> None:
    """Delete a snapshot."""
    with aws_errors("ec2:DeleteSnapshot"):
        account.ec2.delete_snapshot(SnapshotId=snapshot_id)
