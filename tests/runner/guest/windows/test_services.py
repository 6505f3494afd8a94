"""Which services a decider touches, by facts alone. Names are those of VMware Tools' and Windows' own INF files."""

from __future__ import annotations

import pytest

from runner.guest.windows import services
from runner.guest.windows.changes import dword, line
from runner.guest.windows.facts import Registry, Release, Service

RELEASE = Release("Windows Server 2019", "ServerStandard", "Server", (10, 0), 17763, "1809", "AMD64")


def facts(*found: Service) -> Registry:
    return Registry(RELEASE, "ControlSet007", True, found)


def service(name: str, start: int, override: bool = False) -> Service:
    return Service(name, 1, start, f"System32\\drivers\\{name}.sys", override)


@pytest.mark.parametrize(
    "name",
    [
        *("VMTools", "VGAuthService", "vmvss", "vm3dservice", "VMUpgradeHelper", "vmhgfs", "VMMEMCTL", "vmrawdsk"),
        *("vmdebug", "VMwareCAFCommAmqpListener", "VMwareCAFManagementAgentHost", "VMwareCAFManagementAgent"),
    ],
)
def test_vmware_tools_are_off(name: str) -> None:
    assert name in services.LOOKED_AT
    assert [line(change) for change in services.vmware_off(facts(service(name, 2)))] == [
        f"ControlSet007\\Services\\{name}\\Start = REG_DWORD 0x4"
    ]


@pytest.mark.parametrize("name", ["pvscsi", "vmxnet3ndis6", "vmci", "vsock", "vmmouse", "vmusbmouse", "vm3dmp", "disk"])
def test_what_loads_for_its_device_only_is_left(name: str) -> None:
    # A filter driver of the mouse class that is off stops the mouse; the others find no device on EC2.
    found = facts(service(name, 0, True))
    assert services.vmware_off(found) == services.in_box(found) == services.remote_desktop_on(found) == []


@pytest.mark.parametrize("name", ["stornvme", "atapi", "pciide", "intelide"])
def test_disks_of_both_hypervisors_start_at_boot(name: str) -> None:
    assert [line(change) for change in services.in_box(facts(service(name, 3, True)))] == [
        f"ControlSet007\\Services\\{name}\\Start = REG_DWORD 0x0",
        f"ControlSet007\\Services\\{name}\\StartOverride\\ removed",
    ]


def test_a_windows_without_nvme_gets_no_key_of_it() -> None:
    assert services.in_box(facts()) == []


@pytest.mark.parametrize(("start", "becomes"), [(4, 3), (3, None), (2, None)])
def test_remote_desktop_is_started_only_where_it_was_off(start: int, becomes: int | None) -> None:
    key = ("ControlSet007", "Services", "TermService")
    changes = services.remote_desktop_on(facts(service("TermService", start)))
    expected = [] if becomes is None else [dword(key, "Start", becomes, changes[0].why)]
    assert changes == expected
