"""Telling Windows at boot which driver a disk controller takes, before its device manager runs. Pure.

Up to Windows 7 and 2008 R2 the kernel looks a controller's ids up in CriticalDeviceDatabase; from Windows 8 and 2012 on
in DriverDatabase, which has a record of each driver package. A package that was never installed gets a record there
that is just enough for the boot (the shape is that of in-box packages of 8.1 and 10, so far as the kernel reads it; the
same that virt-v2v gives its virtio driver). `pnputil /enum-drivers` fails on such a record, so the first boot installs
the real package and removes it (`leftovers`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from runner.guest.windows.changes import Change, Key, SetValue, binary, dword, multi_sz, sz
from runner.guest.windows.driver import Driver
from runner.guest.windows.facts import Registry

# Either at 1 has the kernel bind no controller at boot that it does not know yet: stop 0x7B (KB2773300). Windows sets
# them itself where a group policy forbids to install devices.
UNREAD = ("DisableCDDB", "DontStartRawDevices")
_DATABASE = "DriverDatabase"
_CONFIGURATION = "hotadd-install"
# A driver that is bound by a hardware id, as the ids of in-box packages say it.
_BY_HARDWARE_ID = bytes.fromhex("01ff0000")
# The head of a package's Version: no in-box package, any signer, for AMD64 (PROCESSOR_ARCHITECTURE_AMD64 is 9).
_VERSION_HEAD = bytes.fromhex("00ff090000000000")
# Its date, version and one more number, all 0: any real package beats the record, and is installed in its place.
_VERSION_TAIL = bytes(24)


@dataclass(frozen=True)
class Leftover:
    """What a stub leaves in the SYSTEM hive: a key, or with `value` one value of it. Removed after the first boot."""

    key: Key
    value: str = ""


def plug_and_play(control_set: str) -> Key:
    """Where Windows keeps what its device manager does at boot."""
    return (control_set, "Control", "PnP")


def inf_of(driver: Driver) -> str:
    """The name under which a driver's stub stands in DriverDatabase: no INF of Windows or of its own has it.

    A hyphen, not an underscore: Windows sorts keys in upper case, where "_" follows the letters, and hivex in lower
    case, where it comes before them.
    """
    return f"hotadd-{driver.service.lower()}.inf"


def _label_of(driver: Driver) -> str:
    return inf_of(driver) + "-stub"


def known_devices(registry: Registry, drivers: Sequence[Driver]) -> list[Change]:
    """The records of boot drivers in the database that this Windows has."""
    record = _stub if registry.driver_database else _critical
    why = "with it Windows binds no new disk controller at boot (stop 0x7B)"
    return [
        *(dword(plug_and_play(registry.control_set), name, 0, why) for name in registry.unread),
        *(change for driver in drivers for change in record(registry.control_set, driver)),
    ]


def _critical(control_set: str, driver: Driver) -> list[Change]:
    why = f"Windows binds {driver.service} to its devices at boot by CriticalDeviceDatabase"
    changes: list[Change] = []
    for device in driver.hardware_ids:
        key = (control_set, "Control", "CriticalDeviceDatabase", device.replace("\\", "#").lower())
        changes += [sz(key, "Service", driver.service, why), sz(key, "ClassGUID", driver.class_guid, why)]
    return changes


def _stub(_control_set: str, driver: Driver) -> list[Change]:
    why = f"Windows binds {driver.service} to its devices at boot by DriverDatabase"
    inf, label = inf_of(driver), _label_of(driver)
    file, package = (_DATABASE, "DriverInfFiles", inf), (_DATABASE, "DriverPackages", label)
    configuration = (*package, "Configurations", _CONFIGURATION)
    changes: list[Change] = [
        multi_sz(file, "", (label,), why),
        sz(file, "Active", label, why),
        multi_sz(file, "Configurations", (_CONFIGURATION,), why),
        sz(package, "", inf, why),
        sz(package, "Provider", driver.provider, why),
        binary(package, "Version", _VERSION_HEAD + uuid.UUID(driver.class_guid).bytes_le + _VERSION_TAIL, why),
        dword(configuration, "ConfigFlags", 0, why),
        sz(configuration, "Service", driver.service, why),
        # What DDInstall.HW gives the device: without MSISupported it would get no message-signalled interrupts.
        *(
            SetValue((*configuration, "Device", *each.subkey), each.name, each.kind, each.data, why)
            for each in driver.device_settings
        ),
    ]
    for device in driver.hardware_ids:
        path = tuple(device.split("\\"))
        changes += [
            binary((_DATABASE, "DeviceIds", *path), inf, _BY_HARDWARE_ID, why),
            sz((*package, "Descriptors", *path), "Configuration", _CONFIGURATION, why),
        ]
    return changes


def leftovers(registry: Registry, drivers: Sequence[Driver]) -> list[Leftover]:
    """What the first boot removes once the real packages are installed; nothing without a DriverDatabase."""
    if not registry.driver_database:
        return []
    found: list[Leftover] = []
    for driver in drivers:
        inf, label = inf_of(driver), _label_of(driver)
        found += [Leftover((_DATABASE, "DeviceIds", *device.split("\\")), inf) for device in driver.hardware_ids]
        found += [Leftover((_DATABASE, "DriverInfFiles", inf)), Leftover((_DATABASE, "DriverPackages", label))]
    return found
