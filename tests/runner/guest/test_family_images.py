"""RHEL, CentOS, Oracle Linux, SLES and Ubuntu as disks of one appliance: what is read of them, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.guest import support
from runner.guest.appliance import Appliance
from runner.guest.apply import apply
from runner.guest.conversion import GuestDisk, overlaid
from runner.guest.edits import Note, Rebuild, Relabel
from runner.guest.facts import Options
from runner.guest.families import table
from runner.guest.network import table as network
from runner.guest.probe import probe
from tests.runner.guest import family_image, matrix_row

pytestmark = pytest.mark.guestfs

# Their programs are not there: what a real dracut and setfiles make of it, other guests show.
NOT_HERE = Note | Rebuild | Relabel
PACKAGES = "/var/lib/rpm", "/var/lib/dpkg"


def test_five_distributions(tmp_path: Path) -> None:
    disks = []
    for name in family_image.ROWS:
        path = tmp_path / f"{name}.raw"
        family_image.build(path, name)
        disks.append(GuestDisk(name, path, name == family_image.ROWS[0]))
    with overlaid(disks, tmp_path / "work") as (_, overlays), Appliance(overlays) as appliance:
        for number, name in enumerate(family_image.ROWS):
            convert(appliance, number, name)
            appliance.unmount_all()


def convert(appliance: Appliance, number: int, name: str) -> None:
    """Look at one of the guests, change it, and look again."""
    row, options = matrix_row.read(name), Options("dhcp", os="linux")
    facts = probe(appliance, len(family_image.ROWS), number)
    found = support.row_of(facts)
    assert found is not None and found.id == name
    assert [kernel.version for kernel in facts.kernels if kernel.default] == [matrix_row.versions_of(name)[0]]
    assert {kernel.version for kernel in facts.kernels} == set(matrix_row.versions_of(name))
    for kernel in facts.kernels:
        assert set(kernel.loadable) == set(row["modules"]) and set(kernel.builtin) == set(row.get("builtin", ()))
        assert kernel.initramfs == row["initramfs"].replace("@V", kernel.version)
    system = network.in_force(facts)
    assert system is not None and system.name.lower().replace("systemd-", "") == row["expect"]["network"]
    packages = database(appliance)

    steps = [step for step in table.decide(facts, options).steps if not isinstance(step, NOT_HERE)]
    edits = apply(appliance, steps, facts.root, None)
    changed = {matrix_row.fill(name, path) for path in row["expect"]["changed"]} - {"/etc/fstab"}
    assert {edit.path for edit in edits} == changed
    for path, lines in row["expect"]["lines"].items():
        if path == "/etc/fstab" or not lines:
            continue
        text = [line.strip() for line in (appliance.read(matrix_row.fill(name, path)) or "").splitlines()]
        wanted = [family_image.on_partition(name, matrix_row.fill(name, line)) for line in lines]
        assert [line for line in wanted if line not in text] == [], text
    assert database(appliance) == packages
    appliance.unmount_all()
    again = table.decide(probe(appliance, len(family_image.ROWS), number), options)
    assert [step for step in again.steps if not isinstance(step, NOT_HERE)] == []


def database(appliance: Appliance) -> dict[str, str]:
    """The digests of the package manager's files."""
    found = [f"{directory}/{name}" for directory in PACKAGES for name in appliance.names(directory)]
    files = [path for path in found if appliance.size(path) is not None]
    assert files, "no package database"
    return {path: appliance.digest(path) for path in files}
