"""One machine's part of the page."""

from __future__ import annotations

from runner.report import quantities
from runner.report.drawing import bar, block_map
from runner.report.findings import drift_part, drift_told, drill_part, drill_told
from runner.report.machine import DiskMap, Machine
from runner.report.markup import NOTHING, Content, Markup, joined, tag
from runner.report.pieces import id_of, mood, table
from schemas.manifest import Manifest
from schemas.outputs import PHASES

# More disks than this are shown side by side, and their snapshots on demand.
_LARGE = 4


def section(machine: Machine, *, opened: bool) -> Markup:
    """A machine as a card that opens and closes."""
    head = tag("summary", tag("h2", machine.name), tag("span", machine.state, class_=f"state {mood(machine.healthy)}"))
    faults = [tag("p", fault, class_="bad") for fault in machine.faults]
    body = tag(
        "div",
        *faults,
        _facts(machine),
        _disks(machine),
        _generations(machine),
        _steps(machine),
        drift_part(machine),
        drill_part(machine.drill),
        class_="inside",
    )
    return tag("details", head, body, class_="card", id=f"machine-{machine.name}", open=opened)


def _facts(machine: Machine) -> Markup:
    latest = machine.latest
    phases = tag("ol", *(tag("li", p, class_="here" if p == machine.phase else False) for p in PHASES), class_="phases")
    entries: list[tuple[str, Content]] = [
        ("Phase", phases if machine.phase else tag("span", "no state: nothing is applied", class_="soft")),
        ("Destination", id_of(machine.instance_id)),
        ("Access node", id_of(machine.access_node_id)),
        ("Region", machine.region),
        ("Guest", latest.guest if latest is not None else "–"),
        ("Drift", drift_told(machine)),
        ("Drill", drill_told(machine.drill)),
    ]
    if machine.under_way is not None:
        entries.append(("Under way", f"{machine.under_way.kind}, to generation {machine.under_way.generation}"))
    if machine.holder:
        entries.append(("Worked on by", machine.holder))
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
    shown = machine.generations[::-1]
    told = f"{quantities.count(machine.older, 'older generation')}: hotadd history lists all."
    more = tag("p", told, class_="soft") if machine.older else NOTHING
    return joined(tag("h3", "Generations"), table(heads, map(_generation, shown), "generations"), more)


def _generation(manifest: Manifest) -> tuple[Content, ...]:
    kind = manifest.kind if manifest.kind != "rollback" else f"rollback to {manifest.base}"
    status = "" if manifest.status == "finished" else f" ({manifest.status})"
    whole = sum(disk.volume_bytes for disk in manifest.disks)
    changed = sum(disk.bytes_changed for disk in manifest.disks)
    written = sum(disk.bytes_written for disk in manifest.disks)
    ids = [(tag("span", f"{disk.id} ", class_="soft"), id_of(disk.integrity_snapshot_id)) for disk in manifest.disks]
    snapshots = joined(*(tag("div", *(both if len(ids) > 1 else both[1:])) for both in ids))
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
