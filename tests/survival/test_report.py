"""The report of a real replica: its counts against comparing the lab's files, before hotadd is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runner.report.document import Node, parsed
from tests.survival.generations import BLOCK, MIB, ON_SOURCE, blocks, scribble
from tests.survival.ground import DISKS, Replication

pytestmark = [pytest.mark.lab, pytest.mark.process]

# On the stopped destination: in data that injection does not write, and behind the source's end.
LATER = (33 * MIB + 77, 900 * MIB + 3)


def counts(disk: Node) -> dict[str, int]:
    return {name: int(count.replace(",", "")) for name, count, *_ in disk.all("table")[0].rows()}


def test_a_replica_that_moved_and_drifted(replication: Callable[[str], Replication]) -> None:
    made = replication("told")
    made.spec.write_text(made.spec.read_text() + "start: false\n")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    before = {disk: made.source(disk).read_bytes() for disk in DISKS}
    for disk in DISKS:
        scribble(made.source(disk), ON_SOURCE, b"changed on the source")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    volumes = {disk: made.volume_file(disk).read_bytes() for disk in DISKS}
    injected = {disk: blocks(volumes[disk], made.snapshot_file(2, disk).read_bytes()) for disk in DISKS}
    scribble(made.volume_file("data"), LATER, b"written later")
    drifted = {disk: blocks(volumes[disk], made.volume_file(disk).read_bytes()) for disk in DISKS}
    assert (len(drifted["root"]), len(drifted["data"])) == (0, 2)
    ended = made.run(["drift", str(made.spec), "--only", "data"])
    assert ended.status == 2, ended.said

    page = made.directory / "report.html"
    ended = made.run(["report", str(made.spec), "-o", str(page)])
    assert ended.status == 0, ended.said
    (card,) = parsed(page.read_text()).all("details", "card")
    assert card.all("span", "state")[0].text == "replicated"
    assert [li.text for li in card.all("li", "here")] == ["target"]
    facts = {entry.all("dt")[0].text: entry.all("dd")[0].text for entry in card.all("dl")[0].all("div")}
    assert (facts["Drift"], facts["Destination"]) == ("1 MiB", made.outputs()["instance_id"])
    for disk, shown in zip(DISKS, card.all("div", "disk"), strict=True):
        source = made.source(disk).read_bytes()
        told = counts(shown)
        assert told["changed"] == len(blocks(before[disk], source)) == 4
        assert told["injected"] == len(injected[disk]) > 0
        assert told["drifted"] == len(drifted[disk])
        moved = blocks(before[disk], source) | injected[disk] | drifted[disk]
        still = [source[at * BLOCK : (at + 1) * BLOCK] for at in range(len(volumes[disk]) // BLOCK) if at not in moved]
        assert (told["unchanged"], told["zero"]) == (sum(map(any, still)), sum(not any(one) for one in still))
    steps = [row[0] for row in card.all("table", "steps")[0].rows()]
    assert steps[0] == "preflight" and "find and restore" in steps and "restore" not in steps
