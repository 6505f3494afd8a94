"""What the last drift and the last drill found."""

from __future__ import annotations

from runner.report import quantities
from runner.report.machine import Machine
from runner.report.markup import NOTHING, Markup, joined, tag
from runner.report.pieces import MOST, id_of, left_over, mood, table
from schemas.drift import Drift, DriftedDisk
from schemas.drill import DrillVerdict


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
    return tag("span", drill.verdict, class_=mood(drill.verdict == "passed"))


def drift_part(machine: Machine) -> Markup:
    """The last drift, in full."""
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
            (id_of(one.subject), one.attribute or one.kind, one.expected, one.found)
            for one in drift.infrastructure[:MOST]
        ]
        heads = (("resource", False), ("what", False), ("expected", False), ("found", False))
        parts += [table(heads, rows), left_over(len(drift.infrastructure))]
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
    return [*found, *drift.notes[:MOST]]


def _drifted_disk(disk: DriftedDisk) -> Markup:
    if not disk.compared:
        return tag("p", tag("b", disk.id), f": not compared. {disk.note}", class_="warn")
    if not disk.blocks:
        return NOTHING
    told = f": {quantities.size(disk.bytes)} in {quantities.count(len(disk.ranges), 'range')}"
    ranges = [
        (f"{part.offset:,}", quantities.size(part.length), "injected" if part.injected else "")
        for part in disk.ranges[:MOST]
    ]
    files = [(id_of(one.path), one.device, quantities.size(one.bytes)) for one in disk.files[:MOST]]
    parts = [table((("from byte", True), ("length", True), ("", False)), ranges), left_over(len(disk.ranges))]
    if files:
        parts += [table((("file", False), ("in", False), ("drifted", True)), files), left_over(len(disk.files))]
    if disk.files_note:
        parts.append(tag("p", disk.files_note, class_="soft"))
    return tag("details", tag("summary", tag("b", disk.id), told), *parts, class_="more")


def drill_part(drill: DrillVerdict | None) -> Markup:
    """The last drill, and how each check ended."""
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
            tag("span", "passed" if one.passed else "failed", class_=mood(one.passed)),
            quantities.duration(one.seconds),
            one.reason,
        )
        for one in drill.checks
    ]
    heads = (("check", False), ("wanted", False), ("verdict", False), ("after", True), ("why", False))
    return joined(*told, table(heads, rows) if rows else NOTHING)
