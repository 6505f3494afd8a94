"""The whole page: one file that needs nothing else, and can fetch nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files

from runner.report import quantities
from runner.report.drawing import COLUMNS, legend, strip
from runner.report.findings import drift_told, drill_told
from runner.report.machine import Machine
from runner.report.markup import NOTHING, Content, Markup, tag
from runner.report.pieces import mood, table
from runner.report.section import section

# Up to so many machines are shown opened; of more, the overview tells which to open.
_OPENED = 3
# All disks' maps together have about so many rows at most.
_ROWS = 1800


def cells_for(disks: int) -> int:
    """How many cells a disk's map gets when the page has so many disks: 1 to 16 rows.

    Where every second cell differs, a cell costs up to 15 bytes. So 600 disks (200 machines) get 3 rows each and stay
    under 5 MB whatever they hold; up to 112 disks get all 16.
    """
    return COLUMNS * max(1, min(16, _ROWS // max(1, disks)))


def page(machines: Iterable[Machine], *, made: str, opened: int) -> str:
    """The page of these machines, each looked at once and let go; `made` is the time it tells, RFC 3339.

    Nothing may run or be loaded but the one style and the one script, which are named by their digests.
    """
    sections: list[Markup] = []
    calling: list[tuple[Content, ...]] = []  # for somebody to look at them: these come first
    rows: list[tuple[Content, ...]] = []
    tally = {"machines": 0, "replicated": 0, "not well": 0, "drifted": 0, "drill failed": 0}
    for machine in machines:
        sections.append(section(machine, opened=opened <= _OPENED))
        failed = machine.drill is not None and machine.drill.verdict == "failed"
        drifted = machine.drift is not None and machine.drift.differs
        (rows if machine.healthy and not failed and not drifted else calling).append(_row(machine))
        tally["machines"] += 1
        tally["replicated"] += any(one.status == "finished" for one in machine.generations)
        tally["not well"] += not machine.healthy
        tally["drifted"] += drifted
        tally["drill failed"] += failed
    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", "hotadd report"),
        tag("style", Markup(style)),
    )
    title = tag("header", tag("h1", "Replications"), tag("p", f"as of {quantities.moment(made)}", class_="soft"))
    several = tally["machines"] > 1
    body = tag(
        "body",
        title,
        _figures(tally) if several else NOTHING,
        legend(),
        _overview(calling + rows) if several else NOTHING,
        tag("main", *sections),
        tag("script", Markup(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _own(name: str) -> str:
    return files("runner.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _figures(tally: dict[str, int]) -> Markup:
    return tag("ul", *(tag("li", tag("b", f"{n:,}"), name) for name, n in tally.items()), class_="figures")


def _overview(rows: list[tuple[Content, ...]]) -> Markup:
    heads = (
        ("machine", False),
        ("state", False),
        ("phase", False),
        ("generation", True),
        ("changed", True),
        ("drift", False),
        ("drill", False),
        ("all its disks", False),
    )
    return tag("div", tag("div", table(heads, rows), class_="inside"), class_="card overview")


def _row(machine: Machine) -> tuple[Content, ...]:
    latest = machine.latest
    changed = sum(disk.bytes_changed for disk in latest.disks) if latest is not None and latest.base else 0
    return (
        tag("a", machine.name, href=f"#machine-{machine.name}"),
        tag("span", machine.state, class_=mood(machine.healthy)),
        machine.phase or "–",
        str(latest.generation) if latest is not None else "–",
        quantities.size(changed) if latest is not None and latest.base else "–",
        drift_told(machine),
        drill_told(machine.drill),
        strip(machine.disks, machine.name),
    )
