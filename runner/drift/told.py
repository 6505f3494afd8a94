"""A drift in words: for a terminal or a log, and as markdown for a ticket or a pull-request comment. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.drift import Deviation, Drift, DriftedDisk, DriftedRange

_RANGES_MOST = 10  # of a disk; the JSON has them all
_FILES_MOST = 40
_DEVIATIONS_MOST = 200  # a pull-request comment takes 65,536 characters


def as_text(drift: Drift) -> str:
    """The whole answer, a line each."""
    return "\n".join(_text(drift)) + "\n"


def as_markdown(drift: Drift) -> str:
    """The same as markdown."""
    return "\n".join(_markdown(drift)) + "\n"


def summary(drift: Drift) -> str:
    """One sentence."""
    if not drift.differs:
        return f"No drift: {drift.replication} is what generation {drift.generation} made of it."
    parts = []
    if drift.infrastructure:
        parts.append(_count(len(drift.infrastructure), "difference") + " in the infrastructure")
    blocks = sum(disk.blocks for disk in drift.disks)
    if blocks:
        length = sum(disk.bytes for disk in drift.disks)
        since = ", written since launch" if drift.since_launch else ""
        parts.append(f"{_count(blocks, 'block')} ({length:,} bytes) of data{since}")
    missed = sum(not disk.compared for disk in drift.disks)
    if missed:
        parts.append(f"{_count(missed, 'disk')} not comparable")
    return f"Drift: {drift.replication} has {'; '.join(parts)}."


def sentence(one: Deviation) -> str:
    """One difference in words."""
    who = f"{one.subject} ({one.resource_id})" if one.resource_id else one.subject
    why = " (the spec was changed since)" if one.cause == "spec" else ""
    match one.kind:
        case "changed":
            return f"{who}: {one.attribute} is {one.found}, should be {one.expected}{why}"
        case "detached":
            return f"{who}: {'detached' if one.found == 'not there' else f'the volume is {one.found}'}{why}"
        case "missing":
            return f"{who}: gone" if one.cause == "world" else f"{who}: not made yet{why}"
        case "errored":
            return f"{who}: in state {one.found}"
        case "unwanted":
            return f"{who}: no longer declared{why}"


def _text(drift: Drift) -> Iterator[str]:
    yield summary(drift)
    yield from (f"  {line}" for line in _circumstances(drift))
    if drift.infrastructure_looked:
        yield f"Infrastructure: {_count(len(drift.infrastructure), 'difference')}"
        yield from (f"  {sentence(one)}" for one in drift.infrastructure)
    if drift.data_looked:
        yield "Data:" + (" written since launch" if drift.since_launch and any(d.blocks for d in drift.disks) else "")
    for disk in drift.disks:
        yield f"  {_of_disk(disk)}"
        yield from (f"    {_of_range(one)}" for one in disk.ranges[:_RANGES_MOST])
        if len(disk.ranges) > _RANGES_MOST:
            yield f"    and {len(disk.ranges) - _RANGES_MOST} more ranges (--json has them all)"
        yield from (f"    {one.path} on {one.device}: {one.bytes:,} bytes" for one in disk.files[:_FILES_MOST])
        if len(disk.files) > _FILES_MOST:
            yield f"    and {len(disk.files) - _FILES_MOST} more files"
        if disk.files_note:
            yield f"    {disk.files_note}"


def _markdown(drift: Drift) -> Iterator[str]:
    yield f"### {summary(drift)}"
    yield ""
    yield from (f"- {line}" for line in _circumstances(drift))
    if drift.infrastructure:
        yield ""
        yield "| resource | attribute | should be | is | because |"
        yield "|---|---|---|---|---|"
        for one in drift.infrastructure[:_DEVIATIONS_MOST]:
            who = f"{one.subject} {one.resource_id}".strip()
            why = "changed in EC2" if one.cause == "world" else "spec changed"
            cells = (f"`{who}`", one.attribute or one.kind, one.expected, one.found, why)
            yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
        if len(drift.infrastructure) > _DEVIATIONS_MOST:
            yield f"\nand {len(drift.infrastructure) - _DEVIATIONS_MOST} more."
    if drift.disks:
        yield ""
        yield "| disk | volume | blocks | bytes | first ranges |"
        yield "|---|---|---:|---:|---|"
        for disk in drift.disks:
            first = "; ".join(_of_range(one) for one in disk.ranges[:3]) if disk.compared else disk.note
            cells = (disk.id, disk.volume_id, f"{disk.blocks:,}", f"{disk.bytes:,}", first)
            yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    named = [(disk.id, one) for disk in drift.disks for one in disk.files]
    if named:
        yield ""
        yield f"<details><summary>{_count(len(named), 'file')}</summary>\n"
        yield from (f"- `{_cell(one.path)}` ({disk}, {one.device}): {one.bytes:,} bytes" for disk, one in named[:200])
        yield "\n</details>"


def _circumstances(drift: Drift) -> Iterator[str]:
    where = f"{drift.instance_id} is {drift.instance_state}" if drift.instance_id else "The destination is gone"
    launched = "started since it got its volumes" if drift.since_launch else "not started since it got its volumes"
    yield f"Compared with generation {drift.generation} at {drift.checked}. {where}, {launched}."
    if drift.moving:
        yield "It runs: a moving target. The data is as of one moment, as a power cut would have left it."
    yield from drift.notes


def _of_disk(disk: DriftedDisk) -> str:
    who = f"{disk.id} ({disk.volume_id})"
    if not disk.compared:
        return f"{who}: not compared: {disk.note}"
    if not disk.blocks:
        return f"{who}: no difference; {disk.note}"
    return f"{who}: {_count(disk.blocks, 'block')} ({disk.bytes:,} bytes of {disk.volume_bytes:,}) differ; {disk.note}"


def _of_range(one: DriftedRange) -> str:
    return f"{one.length:,} bytes at {one.offset:,}" + (", which injection wrote" if one.injected else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
