"""Windows guests on NTFS, converted in real appliances; regipy, python-registry and ntfssecaudit read what came of it.

Four appliances do it all: one makes the disks, one looks at and converts most of them (each as a machine of its own),
one is that of the whole way by `prepare`, and one reads the results.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import guestfs
import pytest
from regipy.registry import RegistryHive
from Registry import Registry

from runner.guest.appliance import Appliance
from runner.guest.apply import apply
from runner.guest.conversion import GuestDisk, commit, prepare
from runner.guest.edits import Edit
from runner.guest.facts import GuestFacts, Options
from runner.guest.families import table
from runner.guest.probe import probe
from runner.guest.windows.bundle import open_bundle
from runner.guest.windows.kit import Bundle
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.volume_refusals import DiskDynamic, NameUnfit, VolumeEncrypted, VolumeUnsafe
from schemas.errors import Refused
from tests.runner.guest.windows import made_windows, packages
from tests.runner.guest.windows.made_hives import WINDOWS_2008_R2, WINDOWS_2012_R2, WINDOWS_2019, WINDOWS_2025
from tests.runner.guest.windows.made_windows import LOADER, SYSTEM, Disk

pytestmark = pytest.mark.guestfs

SHOUTED = {"Windows": "WINDOWS", "System32": "system32", "drivers": "Drivers", "SYSTEM": "system", "INF": "inf"}
DIRTY = made_windows.dirty_hive(WINDOWS_2012_R2)
DISKS = {
    "2008r2": Disk(WINDOWS_2008_R2, spelled=SHOUTED),
    "2012r2": Disk(WINDOWS_2012_R2, files={**DIRTY, "/hiberfil.sys": b"wake" + bytes(4092)}),
    "2019": Disk(WINDOWS_2019, "uefi"),
    "2025": Disk(WINDOWS_2025, "uefi", esp={"/EFI/Microsoft/Boot/bootmgfw.efi": LOADER, "/EFI/BOOT/BOOTX64.EFI": b"a"}),
    "chkdsk": Disk(WINDOWS_2012_R2, damage=made_windows.flag_for_chkdsk),
    "running": Disk(WINDOWS_2012_R2, damage=made_windows.leave_log_open),
    "asleep": Disk(WINDOWS_2012_R2, files={"/hiberfil.sys": b"HIBR" + bytes(4092)}),
    "encrypted": Disk(WINDOWS_2012_R2, damage=made_windows.encrypt),
    "dynamic": Disk(WINDOWS_2012_R2, damage=made_windows.make_dynamic),
    "junction": Disk(WINDOWS_2012_R2, damage=made_windows.turn_into_link("/Windows/System32/drivers", "/Users")),
    "unfinished": Disk(WINDOWS_2012_R2, files={SYSTEM: DIRTY[SYSTEM]}),
}
ALONE = "2019"  # goes the whole way, by `prepare` and `commit`
BUNDLE = packages.every_package()
HOME = "/Windows/hotadd"


@dataclass
class Guest:
    """One machine: its file tree before, what came of converting it twice, and what is on its disk afterwards."""

    before: dict[str, str]
    facts: GuestFacts | None = None
    edits: tuple[Edit, ...] = ()
    again: tuple[Edit, ...] = ()
    refusal: Refused | None = None
    after: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    esp: dict[str, bytes] = field(default_factory=dict)
    rights: dict[str, str] = field(default_factory=dict)

    @property
    def made(self) -> set[str]:
        return set(self.after) - set(self.before)

    @property
    def changed(self) -> set[str]:
        return {path for path in self.before if self.after.get(path) != self.before[path]}


class Shelf(Appliance):
    """An appliance with the disks of many machines, which shows those of one at a time."""

    shown: tuple[int, ...] = ()

    def volumes(self) -> list[str]:
        return [volume for volume in self._g.list_partitions() if self.place(volume)[0] in self.shown]


@pytest.fixture(scope="module")
def guests(tmp_path_factory) -> Mapping[str, Guest]:
    directory = tmp_path_factory.mktemp("windows")
    directory.chmod(0o700)  # only root reads the bundle, as an operator's home may have it
    paths, trees = made_windows.build(directory, DISKS)
    found = {name: Guest(trees[name]) for name in DISKS}
    bundle = open_bundle(packages.write_bundle(directory / "bundle", BUNDLE))
    overlays = {name: path if name == ALONE else _overlay(path) for name, path in paths.items()}
    _convert_alone(found[ALONE], paths[ALONE], bundle, directory / "work")
    with Shelf([overlay for name, overlay in overlays.items() if name != ALONE]) as shelf:
        for at, name in enumerate(name for name in DISKS if name != ALONE):
            # The encrypted one has an old Windows on a data disk, which is not the one that boots.
            shelf.shown = (at, 0) if name == "encrypted" else (at,)
            _convert(shelf, found[name], at, Options("keep", firmware=DISKS[name].firmware, bundle=bundle))
            shelf.unmount_all()
    _read(found, overlays)
    return found


def _overlay(path: Path) -> Path:
    overlay = path.with_suffix(".qcow2")
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(path), "-F", "raw", str(overlay)]
    subprocess.run(argv, check=True, timeout=60)
    return overlay


def _convert_alone(guest: Guest, path: Path, bundle: Bundle, work: Path) -> None:
    options = Options("keep", os="windows", firmware="uefi", bundle=bundle)
    prepared = prepare([GuestDisk("c", path, True)], options, work)
    commit(prepared.disks, {"c": path})
    guest.facts, guest.edits = prepared.facts, prepared.edits


def _convert(shelf: Shelf, guest: Guest, disk: int, options: Options) -> None:
    try:
        guest.facts = probe(shelf, len(DISKS), disk)
        guest.edits = apply(shelf, table.decide(guest.facts, options).steps, guest.facts.root, options.bundle)
        shelf.unmount_all()
        facts = probe(shelf, len(DISKS), disk)
        guest.again = apply(shelf, table.decide(facts, options).steps, facts.root, options.bundle)
    except Refused as refusal:
        guest.refusal = refusal


def _read(guests: Mapping[str, Guest], overlays: Mapping[str, Path]) -> None:
    g: Any = guestfs.GuestFS(python_return_dict=True)
    converted = {name: path for name, path in overlays.items() if guests[name].refusal is None}
    for path in converted.values():
        g.add_drive_opts(str(path), format="qcow2" if path.suffix == ".qcow2" else "raw", readonly=True)
    g.set_backend("direct")
    g.set_backend_setting("force_tcg", "1")
    g.set_network(False)
    g.launch()
    for device, name in zip(g.list_devices(), converted, strict=True):
        guest, uefi = guests[name], DISKS[name].firmware == "uefi"
        volume = f"{device}2" if uefi else f"{device}1"
        guest.after = made_windows.tree(g, volume)
        paths = sorted(guest.made)
        look = 'for path; do echo "== $path"; ntfssecaudit -v "$volume" "$path" 2>&1; done'
        told = g.debug("sh", [_quoted("sh", "-c", f"volume={g.blkid(volume)['DEVNAME']}; {look}", "look", *paths)])
        for part in told.split("== ")[1:]:
            path, _, said = part.partition("\n")
            guest.rights[path] = said
        g.mount_ro(volume, "/")
        wanted = [*(path for path in paths if guest.after[path]), DISKS[name].path(SYSTEM)]
        guest.files = {path: g.read_file(path) for path in wanted}
        g.umount_all()
        if uefi:
            g.mount_ro(f"{device}1", "/")
            guest.esp = {path: g.read_file(path) for path in (f"/{found}" for found in g.find("/")) if g.is_file(path)}
            g.umount_all()
    g.close()


def _quoted(*argv: str) -> str:
    return " ".join("'" + part.replace("'", "'\\''") + "'" for part in argv)


STAGED = {
    "2008r2": ("nvme", "ena", "ena/bin", "ena/bin/x64", "pv"),
    "2012r2": ("nvme", "ena", "ena/bin", "ena/bin/x64", "pv"),
    "2019": ("nvme", "ena", "ena/bin", "ena/bin/x64", "pv", "ec2launch"),
    "2025": ("nvme", "ena", "ena/bin", "ena/bin/x64", "ec2launch"),
}
FILES = {
    "nvme": ("awsnvme.inf", "AWSNVMe.cat", "AWSNVMe.sys"),
    "ena": ("ena.inf", "ena.cat"),
    "ena/bin/x64": ("ena.sys",),
    "pv": ("AWSPVDriverSetup.msi",),
    "ec2launch": ("AmazonEC2Launch.msi",),
}


@pytest.mark.parametrize("name", STAGED)
def test_what_a_release_takes_is_there_and_nothing_else_changed(guests, name):
    guest, disk = guests[name], DISKS[name]
    assert guest.refusal is None
    expected = {HOME, f"{HOME}/first-boot.cmd", "/Windows/System32/drivers/AWSNVMe.sys"}
    for folder in STAGED[name]:
        expected |= {f"{HOME}/{folder}", *(f"{HOME}/{folder}/{file}" for file in FILES.get(folder, ()))}
    if "ec2launch" in STAGED[name]:
        expected.add(f"{HOME}/agent-config.yml")
    assert guest.made == {disk.path(path) for path in expected}
    assert guest.changed == {disk.path(SYSTEM)}


@pytest.mark.parametrize(("name", "version"), [("2008r2", "1.3.2.33"), ("2012r2", "1.5.1.33"), ("2019", "1.8.1.5")])
def test_the_driver_is_that_of_the_release(guests, name, version):
    path = DISKS[name].path("/Windows/System32/drivers/AWSNVMe.sys")
    assert guests[name].files[path] == packages.nvme_files(version)["AWSNVMe/AWSNVMe.sys"]
    assert guests[name].after[path] == guests[name].after[DISKS[name].path(f"{HOME}/nvme/AWSNVMe.sys")]


@pytest.mark.parametrize("name", STAGED)
def test_everything_made_has_its_own_rights(guests, name):
    """ntfssecaudit reads the descriptor itself: owner, group and the access control list in hexadecimal."""
    guest = guests[name]
    assert set(guest.rights) == guest.made
    for path, said in guest.rights.items():
        assert "Windows owner S-1-5-32-544" in said and "Windows group S-1-5-18" in said, said
        dump = "".join("".join(re.findall(r"\b[0-9a-f]{8}\b", line)) for line in re.findall(r"^\s+0000.*$", said, re.M))
        flags = "03" if not guest.after[path] else "00"
        system = f"00{flags}1400ff011f00010100000000000512000000"
        administrators = f"00{flags}1800ff011f0001020000000000052000000020020000"
        users = f"00{flags}1800a900120001020000000000052000000021020000"
        driver = path.lower() == "/windows/system32/drivers/awsnvme.sys"
        entries = system + administrators + (users if driver else "")
        count = 3 if driver else 2
        assert f"0200{8 + len(entries) // 2:02x}00{count:02x}000000{entries}" in dump, (path, said)


@pytest.mark.parametrize("name", STAGED)
def test_the_hive_has_the_driver_in_the_current_control_set(guests, tmp_path, name):
    made = DISKS[name].made
    file = tmp_path / "SYSTEM"
    file.write_bytes(guests[name].files[DISKS[name].path(SYSTEM)])
    hive = RegistryHive(str(file))
    service = {each.name: each.value for each in hive.get_key(f"\\{made.set_name}\\Services\\AWSNVMe").iter_values()}
    assert (service["Start"], service["ImagePath"]) == (0, "System32\\drivers\\AWSNVMe.sys")
    other = Registry.Registry(str(file))
    crash = other.open(f"{made.set_name}\\Control\\CrashControl")
    # In the hive of 2012 R2 itself it is 1: its log, which says 0, was replayed.
    before = 0 if name == "2012r2" else 1
    assert (crash.value("AutoReboot").value(), crash.value("AutoRebootBeforeHotadd").value()) == (0, before)
    first = other.open(f"{made.set_name}\\Services\\hotadd-first-boot").value("ImagePath").value()
    assert first.rstrip("\0").endswith('"%SystemRoot%\\hotadd\\first-boot.cmd"')
    assert other.open("ControlSet003\\Services\\atapi").value("Start").value() == 3
    device = "PCI\\VEN_1D0F&DEV_8061"
    if made.driver_database:
        assert other.open(f"DriverDatabase\\DeviceIds\\{device}").value("hotadd-awsnvme.inf")
    else:
        critical = f"{made.set_name}\\Control\\CriticalDeviceDatabase\\{device.replace(chr(92), '#').lower()}"
        assert other.open(critical).value("Service").value().rstrip("\0") == "AWSNVMe"


@pytest.mark.parametrize("name", [name for name in STAGED if name != ALONE])
def test_a_second_conversion_edits_nothing(guests, name):
    assert guests[name].edits and guests[name].again == ()


def test_what_the_hives_told(guests):
    facts = guests["2008r2"].facts
    assert (facts.os, facts.version, facts.product) == ("windows", "6.1.7601", "Windows Server 2008 R2 Standard")
    assert facts.firmwares == ("bios",) and guests["2019"].facts.firmwares == ("uefi",)
    assert dict(guests["2012r2"].facts.windows.hives)[SYSTEM] == "replayed"
    assert dict(guests["2019"].facts.windows.hives)[SYSTEM] == "clean"


def test_the_loader_that_needs_no_boot_entry(guests):
    original, copy = "/EFI/Microsoft/Boot/bootmgfw.efi", "/EFI/Boot/bootx64.efi"
    assert {path.lower(): content for path, content in guests["2019"].esp.items()} == {
        original.lower(): LOADER,
        copy.lower(): LOADER,
    }
    assert {path.lower(): content for path, content in guests["2025"].esp.items()} == {
        original.lower(): LOADER,
        copy.lower(): LOADER,  # another one (b"a") was there: GRUB's, say
        f"{copy.lower()}.hotadd": b"a",
    }
    assert [edit.path for edit in guests["2019"].edits if "EFI" in edit.path] == [copy]


@pytest.mark.parametrize(
    ("name", "refusal", "said"),
    [
        ("chkdsk", VolumeUnsafe, "marked for chkdsk"),
        ("running", VolumeUnsafe, "log holds work"),
        ("asleep", VolumeUnsafe, "hibernated"),
        ("encrypted", VolumeEncrypted, "BitLocker"),
        ("dynamic", DiskDynamic, "dynamic disk"),
        ("junction", NameUnfit, "link or a junction"),
        ("unfinished", HiveBroken, "no transaction log"),
    ],
)
def test_what_is_unsafe_is_refused_in_words(guests, name, refusal, said):
    found = guests[name].refusal
    assert type(found) is refusal and said in found.sentence and found.hint
    assert guests[name].edits == ()
