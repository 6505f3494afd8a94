"""Facts of both hives: which Windows, which updates, what waits for a reboot, VMware Tools, Remote Desktop's rules.

Names and numbers are those of Microsoft's documents and of real hives: CurrentState of Component Based Servicing (0x70
installed, 0x50 superseded, 0x40 staged), Windows Installer's uninstall keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from runner.guest.windows import registry
from runner.guest.windows.facts import Registry, Release, Service
from runner.guest.windows.hive import Hive
from tests.runner.guest.windows import made_hives
from tests.runner.guest.windows.made_hives import Made

CURRENT = "Microsoft\\Windows\\CurrentVersion"
SERVICING = f"{CURRENT}\\Component Based Servicing"


def read(
    tmp_path: Path,
    made: Made,
    system: Mapping[str, made_hives.Values] | None = None,
    software: Mapping[str, made_hives.Values] | None = None,
) -> Registry:
    """The facts of made hives with these keys besides."""
    first = made_hives.make(tmp_path / "SYSTEM", {**made_hives.system_tree(made), **(system or {})})
    second = made_hives.make(tmp_path / "SOFTWARE", {**made_hives.software_tree(made), **(software or {})})
    return registry.read(Hive(first), Hive(second, "SOFTWARE"))


def test_2008_r2(tmp_path: Path) -> None:
    facts = read(tmp_path, made_hives.WINDOWS_2008_R2)
    assert facts.release == Release(
        "Windows Server 2008 R2 Standard", "ServerStandard", "Server", (6, 1), 7601, "", "AMD64"
    )
    assert facts.control_set == "ControlSet002"
    assert not facts.driver_database
    assert facts.updates == ("KB3033929",)
    assert facts.tools == made_hives.TOOLS_CODE
    assert facts.pending == ()
    assert facts.auto_reboot == 1
    assert [name for name, _ in facts.desktop_rules] == ["RemoteDesktop-UserMode-In-TCP"]
    assert facts.service("VMTOOLS") == Service("VMTools", 16, 2, "", False)
    assert facts.service("atapi") == Service("atapi", 1, 0, "System32\\drivers\\atapi.sys", False)
    assert facts.service("stornvme") is None


def test_2019(tmp_path: Path) -> None:
    facts = read(tmp_path, made_hives.WINDOWS_2019)
    assert facts.release == Release(
        "Windows Server 2019 Datacenter", "ServerDatacenter", "Server", (10, 0), 17763, "1809", "AMD64"
    )
    assert facts.driver_database
    override = facts.service("stornvme")
    assert override is not None
    assert override.start_override


def test_nano_32_bits_and_a_label(tmp_path: Path) -> None:
    nano = replace(made_hives.WINDOWS_2019, installation="Nano Server", architecture="x86")
    tree = made_hives.software_tree(nano)
    key = "Microsoft\\Windows NT\\CurrentVersion"
    facts = read(tmp_path, nano, software={key: {**tree[key], "DisplayVersion": "21H2"}})
    assert (facts.release.installation, facts.release.architecture) == ("Nano Server", "x86")
    assert facts.release.label == "21H2"


def test_numbers_that_are_none(tmp_path: Path) -> None:
    key = "Microsoft\\Windows NT\\CurrentVersion"
    broken = {"ProductName": "Windows", "CurrentVersion": "six.1", "CurrentBuild": "9" * 40}
    facts = read(tmp_path, made_hives.WINDOWS_2012_R2, software={key: broken})
    assert (facts.release.version, facts.release.build) == ((0, 1), 0)


def test_a_build_by_its_older_name(tmp_path: Path) -> None:
    key = "Microsoft\\Windows NT\\CurrentVersion"
    facts = read(tmp_path, made_hives.WINDOWS_2012_R2, software={key: {"CurrentBuildNumber": "9600"}})
    assert facts.release.build == 9600


def test_later_windows_are_not_asked_for_updates_they_have_no_need_of(tmp_path: Path) -> None:
    made = replace(made_hives.WINDOWS_2012_R2, updates=made_hives.SHA2)
    assert read(tmp_path, made).updates == ()


def test_rules_that_let_remote_desktop_in(tmp_path: Path) -> None:
    key = "ControlSet001\\Services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules"
    incoming = "v2.10|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|"
    rules: made_hives.Values = {
        "RemoteDesktop-In-TCP": incoming,
        "RemoteDesktop-Out": incoming.replace("Dir=In", "Dir=Out"),
        "RemoteDesktop-Blocked": incoming.replace("Allow", "Block"),
        "RemoteDesktop-Long": incoming + "x" * 5000,
        "Own-RemoteDesktop-In": incoming,
    }
    facts = read(tmp_path, made_hives.WINDOWS_2019, {key: rules})
    assert facts.desktop_rules == (("RemoteDesktop-In-TCP", incoming),)


def test_no_files_to_rename(tmp_path: Path) -> None:
    session = {"ControlSet001\\Control\\Session Manager": {"PendingFileRenameOperations": (7, bytes(4))}}
    assert read(tmp_path, made_hives.WINDOWS_2019, session).pending == ()


@pytest.mark.parametrize(
    ("package", "state", "found"),
    [
        ("Package_for_KB4474419~31bf3856ad364e35~amd64~~6.1.3.2", 0x70, ("KB4474419",)),
        ("Package_2_for_KB3033929~31bf3856ad364e35~amd64~~6.1.1.1", 0x50, ("KB3033929",)),
        ("Package_for_KB4474419_SP1~31bf3856ad364e35~amd64~~6.1.3.2", 0x80, ("KB4474419",)),
        ("Package_for_KB4474419~31bf3856ad364e35~amd64~~6.1.3.2", 0x40, ()),
        ("Package_for_KB4474419~31bf3856ad364e35~amd64~~6.1.3.2", 0x60, ()),
        ("Package_for_KB44744190~31bf3856ad364e35~amd64~~6.1.3.2", 0x70, ()),
        ("Package_for_KB976902~31bf3856ad364e35~amd64~~6.1.1.17514", 0x70, ()),
    ],
)
def test_updates_for_sha_2(tmp_path: Path, package: str, state: int, found: tuple[str, ...]) -> None:
    made = replace(made_hives.WINDOWS_2008_R2, updates=())
    keys = {f"{SERVICING}\\Packages\\{package}": {"CurrentState": state}}
    assert read(tmp_path, made, software=keys).updates == found


@pytest.mark.parametrize(
    ("system", "software", "said"),
    [
        ({}, {f"{SERVICING}\\RebootPending": {}}, "an update waits for a reboot"),
        ({}, {f"{CURRENT}\\WindowsUpdate\\Auto Update\\RebootRequired": {}}, "Windows Update waits for a reboot"),
        (
            {"ControlSet001\\Control\\Session Manager": {"PendingFileRenameOperations": ("\\??\\C:\\a", "")}},
            {},
            "files are to be renamed at the next start",
        ),
        ({"Setup": {"SystemSetupInProgress": 1}}, {}, "Windows Setup is not through"),
        ({"Setup": {"OOBEInProgress": 1}}, {}, "Windows Setup is not through"),
    ],
)
def test_what_waits_for_a_reboot(
    tmp_path: Path, system: dict[str, made_hives.Values], software: dict[str, made_hives.Values], said: str
) -> None:
    assert read(tmp_path, made_hives.WINDOWS_2019, system, software).pending == (said,)


def test_policies_that_keep_devices_from_being_bound(tmp_path: Path) -> None:
    # KB2773300: both are 1 once the policy "Prevent installation of devices" was applied.
    pnp: made_hives.Values = {"DisableCDDB": 1, "DontStartRawDevices": 1, "PollBootPartitionTimeout": 5}
    denies: made_hives.Values = {"DenyUnspecified": 1, "DenyDeviceIDs": 0}
    restrictions = {"Policies\\Microsoft\\Windows\\DeviceInstall\\Restrictions": denies}
    facts = read(tmp_path, made_hives.WINDOWS_2008_R2, {"ControlSet002\\Control\\PnP": pnp}, restrictions)
    assert facts.unread == ("DisableCDDB", "DontStartRawDevices")
    assert facts.restrictions == ("DenyUnspecified",)
    none = read(tmp_path, made_hives.WINDOWS_2008_R2, {"ControlSet002\\Control\\PnP": {"DisableCDDB": 0}})
    assert (none.unread, none.restrictions) == ((), ())


def test_tools_by_the_code_of_a_32_bit_installer(tmp_path: Path) -> None:
    made = replace(made_hives.WINDOWS_2019, tools=False)
    assert read(tmp_path, made).tools == ""
    code = "{f32c4e7b-2bf8-4788-8408-824c6896e1bb}"
    keys = {f"WOW6432Node\\{CURRENT}\\Uninstall\\{code}": {"DisplayName": "VMware Tools"}}
    assert read(tmp_path, made, software=keys).tools == code.upper()


@pytest.mark.parametrize("code", ["VMware Tools", '{F32C4E7B-2BF8-4788-8408-824C6896E1BB}" & calc', "{F32C4E7B}"])
def test_no_code_that_is_none(tmp_path: Path, code: str) -> None:
    # It ends up in a command line of the first boot.
    made = replace(made_hives.WINDOWS_2019, tools=False)
    keys = {f"{CURRENT}\\Uninstall\\{code}": {"DisplayName": "VMware Tools"}}
    assert read(tmp_path, made, software=keys).tools == ""


@pytest.mark.parametrize(
    ("values", "before"),
    [({}, 1), ({"AutoReboot": 0}, 0), ({"AutoReboot": 0, "AutoRebootBeforeHotadd": 1}, 1), ({"AutoReboot": 7}, 1)],
)
def test_auto_reboot_is_what_it_was_before_any_conversion(
    tmp_path: Path, values: dict[str, object], before: int
) -> None:
    crash = {"ControlSet001\\Control\\CrashControl": values}
    assert read(tmp_path, made_hives.WINDOWS_2019, crash).auto_reboot == before
