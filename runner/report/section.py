"""One machine's part of the page."""

from __future__ import annotations

from collections.abc import Iterable

from runner.report import quantities
from runner.report.drawing import bar, block_map
from runner.report.machine import DiskMap, Machine
from runner.report.markup import NOTHING, Content, Markup, joined, tag
from schemas.drift import Drift, DriftedDisk
from schemas.drill import DrillVerdict
from schemas.manifest import Manifest
from schemas.outputs import PHASES

# Lists are cut here, and say so: a replica that drifted everywhere must not make a page of its own.
_MOST = 20
# More disks than this are shown side by side, and their snapshots on demand.
_LARGE = 4
_GENERATIONS = 30


def section(machine: Machine, *, opened: bool) -> Markup:
    """A machine as a card that opens and closes."""
    head = tag("summary", tag("h2", machine.name), tag("span", machine.state, class_=f"state {_mood(machine.healthy)}"))
    faults = [tag("p", fault, class_="bad") for fault in machine.faults]
    body = tag(
        "div",
        *faults,
        _facts(machine),
        _disks(machine),
        _generations(machine),
        _steps(machine),
        _drift(machine),
        _drill(machine.drill),
        class_="inside",
    )
    return tag("details", head, body, class_="card", id=f"machine-{machine.name}", open=opened)


def table(heads: Iterable[tuple[str, bool]], rows: Iterable[Iterable[Content]], class_: str = "") -> Markup:
    """A table; heads are (text, whether its column holds numbers)."""
    columns = list(heads)
    classes = ["number" if numeric else "" for _, numeric in columns]
    top = [tag("th", text, scope="col", class_=c or False) for (text, _), c in zip(columns, classes, strict=True)]
    lines = (
        tag("tr", *(tag("td", cell, class_=c or False) for cell, c in zip(row, classes, strict=True))) for row in rows
    )
    body = tag("tbody", *lines)
    return tag("div", tag("table", tag("thead", tag("tr", *top)), body, class_=class_ or False), class_="scroll")


def drift_told(machine: Machine) -> Markup:
    """The last drift in a few words."""
    drift = machine.drift
    if drift is None:
        return tag("span", "never checked", class_="soft")
    if not drift.differs:
        return tag("span", "none", class_="good")
    found = [quantities.count(len(drift.infrastructure), "deviation")] if drift.infrastructure else []
    moved = sum(disk.bytes for disk in drift.disks)
    found += [quantities.size(moved)] if moved else []
    found += ["disks not compared"] if any(not disk.compared for disk in drift.disks) else []
    return tag("span", ", ".join(found), class_="warn" if drift.since_launch and not drift.infrastructure else "bad")


def drill_told(drill: DrillVerdict | None) -> Markup:
    """The last drill in a word."""
    if drill is None:
        return tag("span", "never drilled", class_="soft")
    return tag("span", drill.verdict, class_=_mood(drill.verdict == "passed"))


def _mood(good: bool) -> str:
    return "good" if good else "bad"


def _id(text: str) -> Markup:
    return tag("span", text, class_="id") if text else tag("span", "–", class_="soft")


def _facts(machine: Machine) -> Markup:
    latest = machine.latest
    phases = tag("ol", *(tag("li", p, class_="here" if p == machine.phase else False) for p in PHASES), class_="phases")
    entries: list[tuple[str, Content]] = [
        ("Phase", phases if machine.phase else tag("span", "no state: nothing is applied", class_="soft")),
        ("Destination", _id(machine.instance_id)),
        ("Access node", _id(machine.access_node_id)),
        ("Region", machine.region),
        ("Guest", latest.guest if latest is not None else "–"),
        ("Drift", drift_told(machine)),
        ("Drill", drill_told(machine.drill)),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def _disks(machine: Machine) -> Markup:
    latest = machine.latest
    if latest is None:
        return tag("p", "No generation yet: there is nothing to map.", class_="soft")
    compared = max(disk.compared for disk in machine.disks)
    against = f", compared with generation {compared}" if compared else "" if latest.base else ", a full copy"
    many = " many" if len(machine.disks) > _LARGE else ""
    disks = tag("div", *(_disk(disk, machine) for disk in machine.disks), class_=f"disks{many}")
    return joined(tag("h3", f"Disks of generation {latest.generation}{against}"), disks)


def _disk(disk: DiskMap, machine: Machine) -> Markup:
    ids = tag("span", f"{quantities.size(disk.size)} · ", tag("span", disk.volume_id, class_="id"), class_="soft")
    head = tag("h4", disk.id, ids)
    note = tag("p", disk.note, class_="warn") if disk.note else NOTHING
    return tag("div", head, block_map(disk, machine.name), note, _counts(disk), class_="disk")


def _counts(disk: DiskMap) -> Markup:
    """The map in numbers. A block may count as changed, injected and drifted at once."""
    if disk.map is None:
        return NOTHING
    total = disk.map.total()
    per_cell = disk.map.blocks // len(disk.map)
    rows = [
        (
            name,
            f"{count:,}",
            quantities.size(count * disk.map.block_bytes),
            quantities.share(count, total.blocks),
            f"{cells:,}",
        )
        for name, count, cells in (
            ("drifted", total.drifted, sum(map(bool, disk.map.drifted))),
            ("changed", total.changed, sum(map(bool, disk.map.changed))),
            ("injected", total.injected, sum(map(bool, disk.map.injected))),
            ("unchanged", total.data, sum(map(bool, disk.map.data))),
            ("zero", total.zero, sum(map(bool, disk.map.zero))),
        )
    ]
    heads = (("blocks that are", False), ("blocks", True), ("size", True), ("share", True), ("in cells", True))
    told = f"In numbers; a cell stands for {quantities.size(per_cell * disk.map.block_bytes)}"
    return tag("details", tag("summary", told), table(heads, rows), class_="counts")


def _generations(machine: Machine) -> Markup:
    if not machine.generations:
        return NOTHING
    heads = (
        ("generation", True),
        ("kind", False),
        ("begun", False),
        ("took", True),
        ("disks", True),
        ("changed", True),
        ("written", True),
        ("integrity snapshots", False),
    )
    shown = machine.generations[::-1][:_GENERATIONS]
    left = len(machine.generations) - len(shown)
    more = tag("p", f"{quantities.count(left, 'older generation')} not shown.", class_="soft") if left else NOTHING
    return joined(tag("h3", "Generations"), table(heads, map(_generation, shown), "generations"), more)


def _generation(manifest: Manifest) -> tuple[Content, ...]:
    kind = manifest.kind if manifest.kind != "rollback" else f"rollback to {manifest.base}"
    status = "" if manifest.status == "finished" else f" ({manifest.status})"
    whole = sum(disk.volume_bytes for disk in manifest.disks)
    changed = sum(disk.bytes_changed for disk in manifest.disks)
    written = sum(disk.bytes_written for disk in manifest.disks)
    snapshots = joined(*(tag("div", _id(disk.integrity_snapshot_id)) for disk in manifest.disks))
    if len(manifest.disks) > _LARGE:
        snapshots = tag("details", tag("summary", f"{len(manifest.disks)} snapshots"), snapshots, class_="more")
    return (
        str(manifest.generation),
        kind + status,
        quantities.moment(manifest.created),
        quantities.duration(manifest.seconds) if manifest.seconds else "–",
        quantities.size(whole),
        f"{quantities.size(changed)} ({quantities.share(changed, whole)})" if manifest.base else "all",
        quantities.size(written) if written else "–",
        "removed" if manifest.status == "pruned" else snapshots,
    )


def _steps(machine: Machine) -> Markup:
    if not machine.steps:
        return NOTHING
    longest = max(step.seconds for step in machine.steps)
    rows: list[tuple[Content, ...]] = []
    for step in machine.steps:
        told = {"finished": "", "failed": "failed", "running": "not ended"}[step.outcome]
        tries = f"{step.tries} tries" if step.tries > 1 else ""
        words = ", ".join(word for word in (told, tries) if word) + (f": {step.message}" if step.message else "")
        mood = "bad" if step.outcome == "failed" else "soft"
        rows.append((step.name, quantities.duration(step.seconds), bar(step, longest), tag("span", words, class_=mood)))
    total = sum(step.seconds for step in machine.steps)
    rows.append((tag("b", "all"), tag("b", quantities.duration(total)), NOTHING, NOTHING))
    heads = (("step", False), ("took", True), ("", False), ("", False))
    return joined(
        tag("h3", f"Steps of the last run, begun {quantities.moment(machine.since)}"), table(heads, rows, "steps")
    )


def _drift(machine: Machine) -> Markup:
    drift = machine.drift
    if drift is None:
        return joined(tag("h3", "Drift"), tag("p", "hotadd drift has not looked at this machine.", class_="soft"))
    latest = machine.latest
    parts: list[Markup] = [tag("h3", f"Drift, checked {quantities.moment(drift.checked)}")]
    if latest is None or drift.generation != latest.generation:
        parts.append(tag("p", f"It looked at generation {drift.generation}: the map does not show it.", class_="warn"))
    parts += [tag("p", text, class_="soft") for text in _circumstances(drift)]
    if not drift.differs:
        parts.append(tag("p", "No difference.", class_="good"))
    if drift.infrastructure:
        rows = [
            (_id(one.subject), one.attribute or one.kind, one.expected, one.found)
            for one in drift.infrastructure[:_MOST]
        ]
        heads = (("resource", False), ("what", False), ("expected", False), ("found", False))
        parts += [table(heads, rows), _left(len(drift.infrastructure))]
    for disk in drift.disks:
        parts.append(_drifted_disk(disk))
    return joined(*parts)


def _circumstances(drift: Drift) -> list[str]:
    found = []
    if not drift.infrastructure_looked:
        found.append("The infrastructure was not looked at.")
    if not drift.data_looked:
        found.append("The data was not looked at.")
    if drift.since_launch:
        found.append("The destination was started since: differences in its data may be its own writes.")
    if drift.moving:
        found.append("It ran while it was looked at: a moving target.")
    return [*found, *drift.notes[:_MOST]]


def _drifted_disk(disk: DriftedDisk) -> Markup:
    if not disk.compared:
        return tag("p", tag("b", disk.id), f": not compared. {disk.note}", class_="warn")
    if not disk.blocks:
        return NOTHING
    told = f": {quantities.size(disk.bytes)} in {quantities.count(len(disk.ranges), 'range')}"
    ranges = [
        (f"{part.offset:,}", quantities.size(part.length), "injected" if part.injected else "")
        for part in disk.ranges[:_MOST]
    ]
    files = [(_id(one.path), one.device, quantities.size(one.bytes)) for one in disk.files[:_MOST]]
    parts = [table((("from byte", True), ("length", True), ("", False)), ranges), _left(len(disk.ranges))]
    if files:
        parts += [table((("file", False), ("in", False), ("drifted", True)), files), _left(len(disk.files))]
    if disk.files_note:
        parts.append(tag("p", disk.files_note, class_="soft"))
    return tag("details", tag("summary", tag("b", disk.id), told), *parts, class_="more")


def _left(count: int) -> Markup:
    return tag("p", f"... and {count - _MOST:,} more.", class_="soft") if count > _MOST else NOTHING


def _drill(drill: DrillVerdict | None) -> Markup:
    if drill is None:
        return joined(tag("h3", "Drill"), tag("p", "No drill was made of this machine.", class_="soft"))
    up = f"The copy was left up; it may be removed from {quantities.moment(drill.expires)} on." if drill.kept else ""
    told = [
        tag("h3", f"Drill of generation {drill.generation}, {quantities.moment(drill.started)}"),
        tag("p", drill_told(drill), f" {drill.reason} {up}", tag("span", f" on {drill.instance_type}", class_="soft")),
    ]
    rows = [
        (
            one.kind,
            tag("code", one.wanted),
            tag("span", "passed" if one.passed else "failed", class_=_mood(one.passed)),
            quantities.duration(one.seconds),
            one.reason,
        )
        for one in drill.checks
    ]
    heads = (("check", False), ("wanted", False), ("verdict", False), ("after", True), ("why", False))
    return joined(*told, table(heads, rows) if rows else NOTHING)
