"""What conversion does to SYSTEM hives, made and real, as a reader that is neither ours nor hivex sees it.

Expected values are written out by hand: the shapes are those of Windows' own storage drivers in the real hives, and of
AWS's INF files; the numbers those of Microsoft's documents (service control manager, SAN policy) and of the issue.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.guest.windows import registry, storage, system_hive
from runner.guest.windows.driver import Driver, Setting
from runner.guest.windows.hive import Hive, apply
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.replay import ready
from tests.runner.guest.windows import made_hives, readers
from tests.runner.guest.windows.made_hives import BINARY, EXPAND_SZ

pytestmark = pytest.mark.thorough

SHARED = Path(__file__).resolve().parents[5] / "shared" / "hives"
SCSI = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
DRIVER = Driver(
    archive="AWSNVMe.zip",
    inf="AWSNVMe.inf",
    catalog="awsnvme.cat",
    provider="Amazon Inc.",
    description="AWS NVMe Elastic Block Storage Adapter",
    class_name="SCSIAdapter",
    class_guid=SCSI,
    date="05/20/2020",
    version="1.3.2.53",
    hardware_ids=("PCI\\VEN_1D0F&DEV_8061", "PCI\\VEN_1D0F&DEV_0061&SUBSYS_00001D0F"),
    install="AWSNVMe_Inst",
    service="AWSNVMe",
    display="AWS NVMe Driver",
    sys="AWSNVMe.sys",
    type=1,
    start=0,
    error_control=3,
    load_group="SCSI miniport",
    settings=(Setting(("Parameters", "PnpInterface"), "5", 4, "01000000"),),
    device_settings=(
        Setting(("Interrupt Management", "MessageSignaledInterruptProperties"), "MSISupported", 4, "01000000"),
    ),
)
INTERRUPTS = "Interrupt Management\\MessageSignaledInterruptProperties"
Expected = dict[str, dict[str, object]]


def wanted(own: str, driver_database: bool) -> Expected:
    """What every hive has afterwards, by control set and database."""
    found: Expected = {
        f"{own}\\Services\\AWSNVMe": {
            "Type": 1,
            "Start": 0,
            "ErrorControl": 1,
            "Group": "SCSI miniport",
            "ImagePath": (EXPAND_SZ, "System32\\drivers\\AWSNVMe.sys"),
            "DisplayName": "AWS NVMe Driver",
        },
        f"{own}\\Services\\AWSNVMe\\Parameters\\PnpInterface": {"5": 1},
        f"{own}\\Control\\TimeZoneInformation": {"RealTimeIsUniversal": 1},
        f"{own}\\Control\\CrashControl": {"AutoReboot": 0, "AutoRebootBeforeHotadd": 1},
    }
    if not driver_database:
        critical = f"{own}\\Control\\CriticalDeviceDatabase"
        bound = {"Service": "AWSNVMe", "ClassGUID": SCSI}
        return found | {
            f"{critical}\\pci#ven_1d0f&dev_8061": bound,
            f"{critical}\\pci#ven_1d0f&dev_0061&subsys_00001d0f": dict(bound),
        }
    inf, package = "hotadd-awsnvme.inf", "DriverDatabase\\DriverPackages\\hotadd-awsnvme.inf-stub"
    # Of a real package (stornvme.inf in 8.1): architecture 9, four zeroes, the class's GUID; then date and version.
    version = "00ff0900 00000000 7be9364d25e3ce11bfc108002be10318" + "00" * 24
    found |= {
        f"DriverDatabase\\DriverInfFiles\\{inf}": {
            "": (f"{inf}-stub",),
            "Active": f"{inf}-stub",
            "Configurations": ("hotadd-install",),
        },
        package: {"": inf, "Provider": "Amazon Inc.", "Version": (BINARY, bytes.fromhex(version))},
        f"{package}\\Configurations\\hotadd-install": {"ConfigFlags": 0, "Service": "AWSNVMe"},
        # Where adp80xx.inf and arcsas.inf have it in the real hives.
        f"{package}\\Configurations\\hotadd-install\\Device\\{INTERRUPTS}": {"MSISupported": 1},
    }
    for device in ("VEN_1D0F&DEV_8061", "VEN_1D0F&DEV_0061&SUBSYS_00001D0F"):
        found[f"DriverDatabase\\DeviceIds\\PCI\\{device}"] = {inf: (BINARY, bytes.fromhex("01ff0000"))}
        found[f"{package}\\Descriptors\\PCI\\{device}"] = {"Configuration": "hotadd-install"}
    return found


@dataclass(frozen=True)
class Seen:
    """What is different in a hive: values that are new or other, values and keys that are gone."""

    values: dict[tuple[str, ...], dict[str, tuple[int, bytes]]]
    gone: set[str]


def difference(before: readers.Tree, after: readers.Tree) -> Seen:
    values = {}
    gone = {"\\".join(key) for key in before if key not in after}
    for key, now in after.items():
        then = before.get(key, {})
        values[key] = {name: value for name, value in now.items() if then.get(name) != value}
        gone |= {"\\".join(key) + "\\" + name for name in then if name not in now}
    return Seen({key: found for key, found in values.items() if found}, gone)


def encoded(expected: Mapping[str, Mapping[str, object]]) -> dict[tuple[str, ...], dict[str, tuple[int, bytes]]]:
    return {
        tuple(key.split("\\")): {name: made_hives.data_of(value) for name, value in values.items()}
        for key, values in expected.items()
    }


def inject(path: Path, software: Path) -> int:
    """Convert the hive in a file as the worker does; returns how many changes were made."""
    facts = registry.read(Hive(path), Hive(software, "SOFTWARE"))
    return len(apply(path, system_hive.decide(facts, [DRIVER])))


def check(path: Path, software: Path, expected: Expected, gone: set[str]) -> None:
    """Inject, and see that this and nothing else has changed, that Windows finds it, and that it is done once."""
    before = readers.by_python_registry(path)
    assert inject(path, software) > 0
    seen = difference(before, readers.by_python_registry(path))
    assert seen.values == encoded(expected)
    assert seen.gone == gone
    keys = {tuple(part.lower() for part in key) for key in readers.keys_by_regipy(path)}
    assert {tuple(key.lower().split("\\")) for key in expected} <= keys
    whole = path.read_bytes()
    for key, names, hashes in readers.lists(whole):
        assert [name.upper() for name in names] == sorted(name.upper() for name in names), key
        assert all(have in (None, readers.hashed(name)) for name, have in zip(names, hashes, strict=True)), key
    assert ready(whole, None, None) is whole  # clean: equal sequence numbers, right checksum, whole bins
    assert inject(path, software) == 0
    assert path.read_bytes() == whole


def remote_desktop(own: str, rules: Mapping[str, str]) -> Expected:
    return {
        f"{own}\\Control\\Terminal Server": {"fDenyTSConnections": 0},
        f"{own}\\Services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules": dict(rules),
    }


MADE_RULE = (
    "v2.22|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe"
    "|Svc=termservice|Name=@FirewallAPI.dll,-28775|"
)


@pytest.mark.parametrize("release", made_hives.EVERY)
def test_made_hives(release: str, tmp_path: Path) -> None:
    made = made_hives.EVERY[release]
    system, software = made_hives.system(tmp_path / "SYSTEM", made), made_hives.software(tmp_path / "SOFTWARE", made)
    own = made.set_name
    expected = wanted(own, made.driver_database)
    expected |= remote_desktop(own, {"RemoteDesktop-UserMode-In-TCP": MADE_RULE})
    expected |= {
        f"{own}\\Services\\TermService": {"Start": 3},
        f"{own}\\Services\\pciide": {"Start": 0},
        f"{own}\\Services\\intelide": {"Start": 0},
        f"{own}\\Services\\partmgr\\Parameters": {"SanPolicy": 1},
        f"{own}\\Services\\VMTools": {"Start": 4},
        f"{own}\\Services\\VMMEMCTL": {"Start": 4},
    }
    overrides = {f"{own}\\Services\\{name}\\StartOverride" for name in ("stornvme", "atapi")}
    check(system, software, expected, overrides if made.driver_database else set())


def test_an_old_service_of_the_same_name_is_put_right(tmp_path: Path) -> None:
    made = made_hives.WINDOWS_2019
    tree = made_hives.system_tree(made)
    services = f"{made.set_name}\\Services"
    tree[f"{services}\\awsnvme"] = {"Type": 1, "Start": 3, "ErrorControl": 3, "Tag": 9, "ImagePath": "gone.sys"}
    tree[f"{services}\\awsnvme\\StartOverride"] = {"0": 3}
    system, software = made_hives.make(tmp_path / "SYSTEM", tree), made_hives.software(tmp_path / "SOFTWARE", made)
    inject(system, software)
    after = readers.by_python_registry(system)
    names = [key for key in after if key[-1:] and key[-1].lower() == "awsnvme"]
    assert names == [(made.set_name, "Services", "awsnvme")]
    assert after[names[0]]["Start"] == made_hives.data_of(0)
    assert after[names[0]]["ImagePath"] == made_hives.data_of((EXPAND_SZ, "System32\\drivers\\AWSNVMe.sys"))
    assert after[names[0]]["Tag"] == made_hives.data_of(9)
    assert (*names[0], "StartOverride") not in after


def test_what_the_first_boot_removes_is_all_that_a_stub_left(tmp_path: Path) -> None:
    made = made_hives.WINDOWS_2019
    system, software = made_hives.system(tmp_path / "SYSTEM", made), made_hives.software(tmp_path / "SOFTWARE", made)
    facts = registry.read(Hive(system), Hive(software, "SOFTWARE"))
    before = readers.by_python_registry(system)
    apply(system, storage.known_devices(facts, [DRIVER]))
    left = readers.by_python_registry(system)
    for leftover in storage.leftovers(facts, [DRIVER]):
        if leftover.value:
            del left[leftover.key][leftover.value]
        else:
            left = {key: values for key, values in left.items() if key[: len(leftover.key)] != leftover.key}
    assert {key: values for key, values in left.items() if values} == {k: v for k, v in before.items() if v}
    assert storage.leftovers(replace(facts, driver_database=False), [DRIVER]) == []


def real(name: str) -> bytes:
    if not SHARED.is_dir():
        pytest.skip("shared/ does not lie beside this checkout")
    return lzma.decompress((SHARED / f"regipy_{name}.xz").read_bytes())


def seven_rule(profile: str, name: str) -> str:
    return f"v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|{profile}LPort=3389|{name}|"


def test_a_real_windows_7_with_vmware_tools(tmp_path: Path) -> None:
    system, software = tmp_path / "SYSTEM", made_hives.software(tmp_path / "SOFTWARE", made_hives.WINDOWS_2008_R2)
    system.write_bytes(real("SYSTEM"))
    own = "ControlSet001"
    expected = wanted(own, driver_database=False)
    for service in ("VMTools", "VMUpgradeHelper", "VMMEMCTL", "vmdebug"):  # vmrawdsk is off already
        expected[f"{own}\\services\\{service}"] = {"Start": 4}
    expected[f"{own}\\services\\pciide"] = {"Start": 0}
    system_app = (
        "App=System|Name=@FirewallAPI.dll,-28753|Desc=@FirewallAPI.dll,-28756|EmbedCtxt=@FirewallAPI.dll,-28752"
    )
    user_app = (
        "App=%SystemRoot%\\system32\\svchost.exe|Svc=termservice|Name=@FirewallAPI.dll,-28853"
        "|Desc=@FirewallAPI.dll,-28856|EmbedCtxt=@FirewallAPI.dll,-28852"
    )
    expected[f"{own}\\services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules"] = {
        "RemoteDesktop-In-TCP_1": seven_rule("Profile=Public|", system_app),
        "RemoteDesktop-UserMode-In-TCP": seven_rule("", user_app),
    }
    for key in [key for key in expected if "\\Services\\" in key]:
        expected[key.replace("\\Services\\", "\\services\\")] = expected.pop(key)  # as this hive spells it
    check(system, software, expected, set())


def test_a_real_windows_10_with_its_logs(tmp_path: Path) -> None:
    system, software = tmp_path / "SYSTEM", made_hives.software(tmp_path / "SOFTWARE", made_hives.WINDOWS_2019)
    dirty, logs = real("SYSTEM_B"), (real("SYSTEM_B.LOG1"), real("SYSTEM_B.LOG2"))
    system.write_bytes(ready(dirty, *logs))
    own = "ControlSet001"
    tail = "Name=@FirewallAPI.dll,-2877{}|Desc=@FirewallAPI.dll,-287{}|EmbedCtxt=@FirewallAPI.dll,-28752|"
    head = (
        "v2.27|Action=Allow|Active=TRUE|Dir=In|Protocol={}|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe"
        "|Svc=termservice|"
    )
    expected = wanted(own, driver_database=True) | remote_desktop(
        own,
        {
            "RemoteDesktop-UserMode-In-TCP": head.format(6) + tail.format(5, 56),
            "RemoteDesktop-UserMode-In-UDP": head.format(17) + tail.format(6, 77),
        },
    )
    gone = {f"{own}\\Services\\{name}\\StartOverride" for name in ("stornvme", "atapi", "pciide", "intelide")}
    check(system, software, expected, gone)


@pytest.mark.parametrize(
    ("name", "logs"),
    [("SYSTEM_2", ()), ("SYSTEM_B", ()), ("SYSTEM_B", ("SYSTEM_B.LOG1",)), ("SYSTEM_B", ("SYSTEM_B.LOG2",))],
)
def test_a_real_dirty_hive_without_its_logs_is_refused(name: str, logs: tuple[str, ...]) -> None:
    given = [real(log) for log in logs] + [None, None]
    with pytest.raises(HiveBroken):
        ready(real(name), given[0], given[1])
