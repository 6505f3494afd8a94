"""Boot loaders' files: one file a case, from the distributions' own layouts; expected is each line that changes."""

from __future__ import annotations

from pathlib import Path
from re import fullmatch
from typing import Any

import pytest

from runner.guest import reading_list
from runner.guest.boot import default, efi, table
from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import FileSystem, GuestFacts, Kernel, Options, TextFile
from tests.runner.guest import case_files, simulation

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
KEYS = frozenset(
    {
        "about",
        "kernels",
        "modules",
        "devices",
        "root",
        "firmware",
        "paths",
        "grubenv",
        "files",
        "default",
        "ours",
    }
    | {
        *("asides", "kept", "lines"),
    }
)
# EC2 User Guide, "NVMe I/O operation timeout" and "Troubleshoot: console output"; names: network/shape.py.
OURS = "console=tty0 console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295"


@pytest.fixture(params=CASES, ids=[path.stem for path in CASES])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return case_files.read(request.param, KEYS)


def environment(text: str) -> str:
    """GRUB's environment block as grub-editenv writes it."""
    return ("# GRUB Environment Block\n" + text).ljust(1024, "#")


def facts_of(case: dict[str, Any]) -> GuestFacts:
    files = {**case["files"], **{path: environment(text) for path, text in case.get("grubenv", {}).items()}}
    places = [(*device, None, None)[:5] for device in case["devices"]]
    return GuestFacts(
        *("linux", "any", "1", "Any Linux 1", (case.get("firmware", "bios"),), case["root"], 2),
        file_systems=tuple(FileSystem(name, kind, uuid, "", "", at, part) for name, kind, uuid, at, part in places),
        mounts=(),
        kernels=tuple(Kernel(version, tuple(case.get("modules", ())), (), "", (), 0) for version in case["kernels"]),
        files=tuple(TextFile(path, text) for path, text in files.items()),
        paths=tuple(case.get("paths", ())),
    )


def decide(facts: GuestFacts) -> list[Step]:
    return table.decide(facts, Options("dhcp", firmware=facts.firmwares[0]))


def changed_lines(old: str, new: str) -> list[str]:
    before, now = old.rstrip("#").splitlines(), new.rstrip("#").splitlines()
    assert len(before) == len(now)
    return [line for was, line in zip(before, now, strict=True) if line != was]


def test_case(case: dict[str, Any]) -> None:
    facts = facts_of(case)
    steps = decide(facts)
    writes = {step.path: step for step in steps if isinstance(step, Write)}
    lines = {path: changed_lines(facts.text(path) or "", step.text) for path, step in writes.items()}
    ours = case.get("ours", OURS)
    assert lines == {p: [line.replace("@OURS", ours) for line in wanted] for p, wanted in case["lines"].items()}
    assert [step.path for step in steps if isinstance(step, Aside)] == case.get("asides", [])
    for path in case.get("grubenv", {}):
        assert path not in writes or (len(writes[path].text), writes[path].keep) == (1024, False)
    # grub-mkconfig(8) runs every file in /etc/grub.d whose name does not end in "~".
    assert all(step.suffix.endswith("~") for path, step in writes.items() if path.startswith("/etc/grub.d/"))
    if "kept" in case:
        assert [path for path, step in writes.items() if step.keep] == case["kept"]
    assert decide(simulation.after(facts, steps)) == []


def test_default_kernel(case: dict[str, Any]) -> None:
    facts = facts_of(case)
    for state in (facts, simulation.after(facts, decide(facts))):
        assert [k.version for k in default.marked(state.kernels, state) if k.default] == [case["default"]]


def test_the_probe_reads_what_the_cases_give(case: dict[str, Any]) -> None:
    for path in (*case["files"], *case.get("grubenv", {})):
        directory, _, name = path.rpartition("/")
        patterns = [pattern for where, pattern in reading_list.DIRECTORIES if where == directory]
        vendors = fullmatch(rf"{efi.EFI}/[^/]+", directory) and fullmatch(efi.READ, name)
        assert path in reading_list.FILES or vendors or any(fullmatch(pattern, name) for pattern in patterns), path
