"""Deciding about a Windows guest: what refuses it, and what is done in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest.edits import Note, record
from runner.guest.facts import FileSystem, GuestFacts, Mount, Options
from runner.guest.families import table
from runner.guest.inspection import describe
from runner.guest.refusals import FirmwareMismatch, NoSpace, OsMismatch, WindowsUnlisted
from runner.guest.windows.bundle import open_bundle
from runner.guest.windows.bundle_refusals import BundleIncomplete
from runner.guest.windows.facts import Registry, Release, Service, SystemPartition, Volume, WindowsFacts
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.releases import Wanted
from runner.guest.windows.steps import SYSTEM, CopyLoader, EditHive, PutDirectory, PutFile
from runner.guest.windows.volume_refusals import (
    BundleUnnamed,
    DiskDynamic,
    LoaderMissing,
    ReleaseUnfit,
    SignaturesUnread,
    VolumeEncrypted,
    VolumeUnsafe,
)
from schemas.document import structure, unstructure
from schemas.inspection import InspectedDisk
from tests.runner.guest.windows import packages

C = "/dev/sda2"
ESP = SystemPartition("/dev/sda1", "/EFI/Microsoft/Boot/bootmgfw.efi", 1_500_000, False, 90_000_000)
RELEASE = Release("Windows Server 2019 Datacenter", "ServerDatacenter", "Server", (10, 0), 17763, "1809", "AMD64")
OLD = Release("Windows Server 2008 R2 Standard", "ServerStandard", "Server", (6, 1), 7601, "", "AMD64")
REGISTRY = Registry(
    RELEASE, "ControlSet001", True, (Service("atapi", 1, 0, "", True), Service("VMTools", 16, 2, "", False))
)
FOUND = WindowsFacts(Volume(C, False, False, ""), REGISTRY, ((SYSTEM, "clean"),), ESP)


def facts(found: WindowsFacts = FOUND, free: int = 2**30, root: str = C) -> GuestFacts:
    return GuestFacts(
        os="windows",
        distribution="windows",
        version="10.0.17763",
        product="Windows Server 2019 Datacenter",
        firmwares=("bios", "uefi"),
        root=root,
        disks=2,
        file_systems=(
            FileSystem("/dev/sda1", "vfat", "", "", "", 0, 1),
            FileSystem(C, "ntfs", "", "", "", 0, 2),
            FileSystem("/dev/sdb1", "ntfs", "", "", "", 1, 1),
        ),
        mounts=(Mount("/", C, free, 2**31),) if found.registry else (),
        kernels=(),
        files=(),
        paths=(),
        tables=("gpt", "gpt"),
        windows=found,
    )


def registry(**fields) -> WindowsFacts:
    return replace(FOUND, registry=replace(REGISTRY, release=replace(RELEASE, **fields)))


OLD_FOUND = replace(FOUND, registry=replace(REGISTRY, release=OLD, driver_database=False))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return open_bundle(packages.write_bundle(tmp_path_factory.mktemp("bundle")))


def test_facts_cross_a_process_border():
    assert structure(unstructure(facts()), GuestFacts) == facts()
    assert structure(unstructure(facts(WindowsFacts(encrypted=(C,)))), GuestFacts) == facts(
        WindowsFacts(encrypted=(C,))
    )


@pytest.mark.parametrize(
    ("guest", "refusal", "said"),
    [
        (facts(replace(FOUND, volume=Volume(C, True, False, ""), registry=None)), VolumeUnsafe, "chkdsk"),
        (facts(replace(FOUND, volume=Volume(C, False, True, ""), registry=None)), VolumeUnsafe, "log"),
        (
            facts(replace(FOUND, volume=Volume(C, False, False, "hibernated"), registry=None)),
            VolumeUnsafe,
            "hibernated",
        ),
        (facts(replace(FOUND, dynamic=(0,))), DiskDynamic, "disk 1"),
        (facts(WindowsFacts(dynamic=(0,)), root=""), DiskDynamic, "disk 1"),
        (facts(WindowsFacts(encrypted=(C,)), root=""), VolumeEncrypted, C),
        (facts(registry(architecture="x86")), ReleaseUnfit, "x86"),
        (facts(registry(installation="Nano Server")), ReleaseUnfit, "Nano"),
        (facts(registry(version=(6, 0), build=6003)), ReleaseUnfit, "older"),
        (facts(OLD_FOUND), SignaturesUnread, "KB3033929 and KB4474419"),
        (facts(replace(FOUND, registry=replace(REGISTRY, driver_database=False))), HiveBroken, "no DriverDatabase"),
        (facts(registry(build=12345)), WindowsUnlisted, "12345"),
    ],
)
def test_a_guest_that_would_not_boot_is_refused_with_its_reason(bundle, guest, refusal, said):
    with pytest.raises(refusal, match=said):
        table.decide(guest, Options("keep", bundle=bundle, firmware="bios"))


def test_a_dynamic_or_encrypted_data_disk_stands_in_no_way(bundle):
    found = replace(FOUND, dynamic=(1,), encrypted=("/dev/sdb1",))
    assert table.decide(facts(found), Options("keep", bundle=bundle)).steps


def test_what_the_spec_gets_wrong(bundle):
    with pytest.raises(BundleUnnamed, match="drivers fetch"):
        raise_hint(facts(), Options("keep"))
    with pytest.raises(OsMismatch):
        table.decide(facts(), Options("keep", os="linux", bundle=bundle))
    with pytest.raises(FirmwareMismatch):
        table.decide(replace(facts(), firmwares=("bios",)), Options("keep", firmware="uefi", bundle=bundle))
    with pytest.raises(LoaderMissing, match="bootmgfw"):
        table.decide(facts(replace(FOUND, esp=None)), Options("keep", firmware="uefi", bundle=bundle))


def raise_hint(guest: GuestFacts, options: Options) -> None:
    try:
        table.decide(guest, options)
    except BundleUnnamed as refusal:
        raise BundleUnnamed(f"{refusal.product} {refusal.hint}") from refusal


def test_a_bundle_that_lacks_a_release_is_refused_for_that_release_alone(tmp_path):
    some = {wanted: data for wanted, data in packages.every_package().items() if wanted != Wanted("nvme", "1.3.2")}
    lacking = open_bundle(packages.write_bundle(tmp_path / "bundle", some))
    old = facts(replace(OLD_FOUND, registry=replace(OLD_FOUND.registry, updates=("KB3033929",))))
    with pytest.raises(BundleIncomplete, match=r"Windows Server 2008 R2 needs: nvme 1.3.2"):
        table.decide(old, Options("keep", bundle=lacking))
    assert table.decide(facts(), Options("keep", bundle=lacking)).steps


def test_an_inspection_knows_no_bundle_and_says_that_one_is_needed():
    uefi = replace(facts(), firmwares=("uefi",))
    told = describe(uefi, [InspectedDisk("/c.vmdk", "vmdk", "", 1 << 30, "")])
    assert told.supported and not told.reasons and not told.changes
    assert "drivers fetch" in told.advice[0] and "source.firmware: uefi" in told.advice[1]
    assert told.boot_loaders == ("Windows Boot Manager (/EFI/Microsoft/Boot/bootmgfw.efi)",)
    refused = describe(facts(OLD_FOUND), [])
    assert not refused.supported and "SHA-2" in refused.reasons[0] and "KB4474419 also where" in refused.advice[0]
    running = describe(facts(replace(FOUND, volume=Volume(C, False, True, ""), registry=None)), [])
    assert "a copy of a running Windows will not do" in running.advice[0]


def test_a_policy_that_forbids_new_devices_is_lifted_for_the_boot_and_told(bundle):
    known = replace(REGISTRY, unread=("DisableCDDB",), restrictions=("DenyUnspecified",), pending=("an update waits",))
    found = facts(replace(FOUND, registry=known))
    steps = table.decide(found, Options("keep", bundle=bundle)).steps
    hive = [step for step in steps if isinstance(step, EditHive)]
    [lifted] = [step for step in hive if step.key == ("ControlSet001", "Control", "PnP")]
    assert [(change.name, change.kind, change.data) for change in lifted.changes] == [("DisableCDDB", 4, bytes(4))]
    told = describe(found, []).advice
    for words in ("DenyUnspecified", "an update waits"):
        assert [step.path for step in steps if isinstance(step, Note) and words in step.why]
        assert any(words in line for line in told)


def test_files_come_before_the_hive_that_names_them_and_the_loader_with_uefi_alone(bundle):
    steps = table.decide(facts(), Options("keep", bundle=bundle, firmware="uefi")).steps
    kinds = [type(step) for step in steps]
    assert kinds == sorted(kinds, key=[PutDirectory, PutFile, CopyLoader, EditHive].index)
    assert [step for step in steps if isinstance(step, CopyLoader)] == [
        CopyLoader(
            "/dev/sda1",
            "/EFI/Microsoft/Boot/bootmgfw.efi",
            "/EFI/Boot/bootx64.efi",
            "EC2's firmware starts with no boot entries of its own",
        )
    ]
    bios = table.decide(facts(), Options("keep", bundle=bundle)).steps
    assert [step for step in steps if step not in bios] == [step for step in steps if isinstance(step, CopyLoader)]
    there = table.decide(
        facts(replace(FOUND, esp=replace(ESP, fallback=True))), Options("keep", "windows", "uefi", bundle=bundle)
    )
    assert there.steps == bios


def test_another_loader_than_windows_own_gives_way_and_is_kept(bundle):
    grub = facts(replace(FOUND, esp=replace(ESP, fallback=True, foreign=True)))
    steps = table.decide(grub, Options("keep", bundle=bundle, firmware="uefi")).steps
    [loader] = [step for step in steps if isinstance(step, CopyLoader)]
    assert (loader.to, loader.kept) == ("/EFI/Boot/bootx64.efi", "/EFI/Boot/bootx64.efi.hotadd")
    assert record(loader).action.endswith("the old one kept as /EFI/Boot/bootx64.efi.hotadd")


def test_drivers_are_read_by_users_and_what_runs_as_system_by_administrators_alone(bundle):
    steps = table.decide(facts(), Options("keep", bundle=bundle)).steps
    files = [step for step in steps if isinstance(step, PutFile)]
    assert {step.path for step in files if step.access == "driver"} == {"/Windows/System32/drivers/AWSNVMe.sys"}
    private = {step.path for step in files if step.access == "private"}
    assert {"/Windows/hotadd/first-boot.cmd", "/Windows/hotadd/agent-config.yml"} < private
    assert all(path.startswith("/Windows/hotadd/") for path in private)
    directories = [step.path for step in steps if isinstance(step, PutDirectory)]
    assert directories[0] == "/Windows/hotadd" and {path.rpartition("/")[0] for path in private} <= set(directories)
    assert all(directories.index(path.rpartition("/")[0]) < at for at, path in enumerate(directories) if at)


def test_the_hive_s_changes_are_in_the_current_control_set_and_told_key_by_key(bundle):
    second = replace(
        FOUND, registry=replace(REGISTRY, control_set="ControlSet002", tools="{12345678-1234-1234-1234-123456789012}")
    )
    steps = table.decide(facts(second), Options("keep", bundle=bundle)).steps
    hive = [step for step in steps if isinstance(step, EditHive)]
    assert {step.key[0] for step in hive} == {"ControlSet002", "DriverDatabase"}
    assert len({step.key for step in hive}) == len(hive)
    lines = {record(step).action for step in hive}
    assert "ControlSet002\\Services\\VMTools: 1 set (Start)" in lines
    assert "ControlSet002\\Services\\atapi\\StartOverride: the key removed" in lines
    script = next(step for step in steps if isinstance(step, PutFile) and step.path.endswith("first-boot.cmd"))
    assert b"/x {12345678-1234-1234-1234-123456789012} /qn" in script.content


def test_the_space_for_all_of_it_is_there_first(bundle):
    with pytest.raises(NoSpace, match="^/ in the guest"):
        table.decide(facts(free=16 * 2**20), Options("keep", bundle=bundle))
    # The first boot needs room as well: for the driver store's copies, and for what installers unpack.
    decision = table.decide(facts(), Options("keep", bundle=bundle))
    written = sum(
        len(at.content) if isinstance(at.content, bytes) else at.content.size
        for at in decision.steps
        if isinstance(at, PutFile)
    )
    needed = 2 * written + 256 * 2**20
    assert table.decide(facts(free=needed), Options("keep", bundle=bundle)).steps == decision.steps
    with pytest.raises(NoSpace, match="^/ in the guest"):
        table.decide(facts(free=needed - 1), Options("keep", bundle=bundle))
    full = replace(FOUND, esp=replace(ESP, free=1_500_000))
    with pytest.raises(NoSpace, match="EFI system partition"):
        table.decide(facts(full), Options("keep", firmware="uefi", bundle=bundle))


def script(guest: GuestFacts, bundle) -> str:
    steps = table.decide(guest, Options("keep", bundle=bundle)).steps
    return next(step.content for step in steps if isinstance(step, PutFile) and step.path.endswith(".cmd")).decode()


def test_the_first_boot_is_started_and_knows_what_it_has_to_do(bundle):
    steps = table.decide(facts(), Options("keep", bundle=bundle)).steps
    services = {step.key[2:]: step for step in steps if isinstance(step, EditHive) and step.key[1:2] == ("Services",)}
    names = {change.name for change in services[("hotadd-first-boot",)].changes}
    assert {"Type", "Start", "ImagePath", "ObjectName"} <= names
    assert {"Type", "Start", "ErrorControl", "Group", "ImagePath"} <= {
        change.name for change in services[("AWSNVMe",)].changes
    }
    text = script(facts(), bundle)
    # "PnPUtil Command Syntax": /add-driver is of Windows 10 and later, -a of those before.
    assert 'pnputil.exe" /add-driver' in text and "AutoReboot /t REG_DWORD /d 1 " in text
    assert 'delete "HKLM\\SYSTEM\\DriverDatabase\\DriverPackages\\hotadd-awsnvme' in text
    fixed = replace(OLD_FOUND, registry=replace(OLD_FOUND.registry, updates=("KB4474419",), auto_reboot=0))
    old = script(facts(fixed), bundle)
    assert 'pnputil.exe" -i -a' in old and "AutoReboot /t REG_DWORD /d 0 " in old and "DriverDatabase" not in old
