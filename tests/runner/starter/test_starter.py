"""Starter specs: what is known is in them, what is not is marked, and filled in they are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.aws.account import Account
from runner.blocks.errors import ImageRefused, SourceMissing
from runner.cli.main import run
from runner.starter.machine import StarterDisk, StarterMachine
from runner.starter.reading import DisksElsewhere, NotAlone, read_machine
from runner.starter.text import MARK, starter_text
from schemas.loading import check_spec
from schemas.problem import SpecInvalid
from schemas.reading import parse
from schemas.spec import Spec
from tests.runner.blocks import package_made, vmdk_made

MIB = 1024 * 1024
ACCOUNT = Account("eu-central-1")
FILLED = {
    "region": "eu-central-1",
    "availability_zone": "eu-central-1a",
    "instance_id": "i-0123456789abcdef0",
    "instance_type": "m6i.large",
    "shell_ami": "ami-0123456789abcdef0",
    "subnet_id": "subnet-0123456789abcdef0",
}


def filled(text: str) -> str:
    """The text with a value wherever one is marked and empty."""
    return re.sub(rf'(\w+): ""  {re.escape(MARK)}', lambda found: f"{found[1]}: {FILLED[found[1]]}  #", text)


def loaded(text: str, folder: Path) -> Spec:
    return check_spec(parse(text.encode(), folder / "spec.yaml"))


def vmdk(path: Path, mebibytes: int) -> bytes:
    vmdk_made.streamed(path, b"disk" * (mebibytes * MIB // 4))
    return path.read_bytes()


def test_a_vmx_with_its_disks(tmp_path: Path) -> None:
    vmdk(tmp_path / "web01.vmdk", 2)
    vmdk(tmp_path / "web01_1.vmdk", 3)
    vmx = tmp_path / "web01.vmx"
    lines = ['displayName = "Web 01 (prod)"', 'guestOS = "windows2019srv-64"', 'firmware = "efi"', 'memSize = "4096"']
    lines += ['scsi0.virtualDev = "lsisas1068"', 'scsi0:0.present = "TRUE"', 'scsi0:0.fileName = "web01.vmdk"']
    lines += ['scsi0:1.present = "TRUE"', 'scsi0:1.fileName = "web01_1.vmdk"', 'uefi.secureBoot.enabled = "TRUE"']
    vmx.write_text("\n".join(lines))
    text = starter_text(read_machine([str(vmx)], ACCOUNT), str(tmp_path))
    with pytest.raises(SpecInvalid) as told:
        loaded(text, tmp_path)
    assert {problem.path.split(".")[-1] for problem in told.value.problems} == set(FILLED)
    spec = loaded(filled(text), tmp_path)
    assert (spec.name, spec.source.os, spec.source.firmware) == ("web-01-prod", "windows", "uefi")
    assert [(d.id, d.path, d.format, d.size_gib, d.boot) for d in spec.source.disks] == [
        ("root", str(tmp_path / "web01.vmdk"), "vmdk", 1, True),
        ("data1", str(tmp_path / "web01_1.vmdk"), "vmdk", 1, False),
    ]
    assert "- id: root  # scsi0:0 lsisas1068\n      path: web01.vmdk\n" in text
    assert f"boot: true  {MARK} which disk boots" in text and "# Secure boot is on" in text and "4096 MiB" in text


def test_an_ova(tmp_path: Path) -> None:
    ova = tmp_path / "vm.ova"
    disks = {"one.vmdk": vmdk(tmp_path / "1", 2)}
    package_made.package(ova, disks, name="mail&amp;more")
    machine = read_machine([str(ova)], ACCOUNT)
    assert machine.disks == (StarterDisk(str(ova), "ova", "one.vmdk", 2 * MIB, "", boots=True),)
    text = starter_text(machine, str(tmp_path))
    spec = loaded(filled(text), tmp_path)
    assert spec.name == "mail-more" and spec.boot_disk.member == "one.vmdk" and spec.boot_disk.format == "ova"
    assert "which disk boots" not in text
    assert f"os: linux  {MARK}" in text and f"firmware: bios  {MARK} bios or uefi (the description does not say" in text


def test_what_ovftool_says_of_a_machine(tmp_path: Path) -> None:
    told = (Path(package_made.__file__).parent / "ovf" / "esxi.ovf").read_bytes()
    (tmp_path / "web01.ovf").write_bytes(told)
    machine = read_machine([str(tmp_path / "web01.ovf")], ACCOUNT)
    assert (machine.os, machine.firmware, machine.firmware_from) == ("linux", "uefi", "")
    assert [(d.member, d.size >> 30, d.attached) for d in machine.disks] == [
        ("web01-disk1.vmdk", 16, "scsi0:0 VirtualSCSI"),
        ("web01 data.vmdk", 100, "scsi0:1 VirtualSCSI"),
    ]
    assert machine.networks == ("VM Network, VmxNet3",) and len(machine.notes) == 2
    spec = loaded(filled(starter_text(machine)), tmp_path)
    assert [(d.size_gib, d.member) for d in spec.source.disks] == [(16, "web01-disk1.vmdk"), (100, "web01 data.vmdk")]
    assert spec.source.disks[0].path == str(tmp_path / "web01.ovf")


def test_bare_disks_and_what_nobody_knows_of_them(tmp_path: Path) -> None:
    (tmp_path / "root.img").write_bytes(bytes(3))
    vmdk(tmp_path / "data.vmdk", 1)
    (tmp_path / "strange.disk").write_bytes(bytes(512))
    names = ["root.img", "data.vmdk", "strange.disk"]
    text = starter_text(read_machine([str(tmp_path / name) for name in names], ACCOUNT), str(tmp_path / "specs"))
    spec = loaded(filled(text), tmp_path / "specs")
    assert [(d.format, d.size_gib) for d in spec.source.disks] == [("raw", 1), ("vmdk", 1), ("raw", 1)]
    assert [d.path for d in spec.source.disks] == [str(tmp_path / name) for name in names]
    assert f"format: raw  {MARK} raw, vmdk" in text and text.count(MARK) == len(FILLED) + 4


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["null", "true", "0", "", "-", "Ünï", "x" * 80, "a\nversion: 2", "# no", 'a" b', "\u202e", "e5", "off"]
)
def test_any_name_and_words_make_a_valid_spec(tmp_path: Path, name: str) -> None:
    disk = StarterDisk(f"/images/{name}.raw", "raw", size=1, attached=f"scsi0:0 {name}", boots=True)
    package = StarterDisk("/images/x.ova", "ova", name.replace("/", ""), attached=name)
    machine = StarterMachine(name, (disk, package), guest=name, networks=(name,), notes=(name,), firmware_from=name)
    spec = loaded(filled(starter_text(machine)), tmp_path)
    assert spec.source.disks[0].path == f"/images/{name}.raw" and spec.source.disks[1].member == name
    assert spec.version == 1 and spec.name


def test_what_cannot_be_a_machine_is_refused(tmp_path: Path) -> None:
    vmx, raw = tmp_path / "a.vmx", tmp_path / "a.raw"
    raw.write_bytes(b"1")
    disk = 'displayName = "a"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "{}"\n'
    for file, error in (
        ("/vmfs/volumes/x/a.vmdk", DisksElsewhere),
        ("../a.vmdk", DisksElsewhere),
        ("..\\a.vmdk", DisksElsewhere),
        ("none.vmdk", SourceMissing),
    ):
        vmx.write_text(disk.format(file))
        with pytest.raises(error):
            read_machine([str(vmx)], ACCOUNT)
    with pytest.raises(NotAlone):
        read_machine([str(raw), str(vmx)], ACCOUNT)
    (tmp_path / "b.vmdk").write_bytes(b"1" * 1024)
    with pytest.raises(ImageRefused):
        read_machine([str(tmp_path / "b.vmdk")], ACCOUNT)


@pytest.mark.thorough
def test_the_command_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "disk.raw").write_bytes(bytes(1024))
    spec = tmp_path / "spec.yaml"
    assert run(["init", str(tmp_path / "disk.raw"), "-o", str(spec)]) == 0
    assert "values to fill in" in capsys.readouterr().out
    assert run(["init", str(tmp_path / "disk.raw"), "-o", str(spec)]) == 3
    assert run(["validate", str(spec)]) == 3
    told = capsys.readouterr().err
    assert all(key in told for key in FILLED)
    spec.write_text(filled(spec.read_text()))
    assert run(["validate", str(spec)]) == 0
    assert run(["init", str(tmp_path / "none.raw")]) == 3


def test_the_json_quotes_are_yaml_s(tmp_path: Path) -> None:
    value: Any = parse(f"a: {json.dumps('tab	 and 𝄞')}\n".encode(), tmp_path / "x").value
    assert value == {"a": "tab\t and 𝄞"}
