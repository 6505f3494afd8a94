"""Which services of a Windows guest start on EC2: the disks' drivers at boot, VMware's no more. Pure.

The numbers are those of the service control manager (winsvc.h): Start 0 is boot, 3 on demand, 4 disabled.
"""

from __future__ import annotations

from collections.abc import Iterable

from runner.guest.windows.changes import Change, DropKey, Key, SetValue, dword, expand_sz, multi_sz, sz
from runner.guest.windows.driver import Driver
from runner.guest.windows.facts import Registry, Service

BOOT, ON_DEMAND, DISABLED = 0, 3, 4
_KERNEL_DRIVER = 1
_NORMAL = 1  # ErrorControl: a driver that finds no device is no reason to stop the boot
_MINIPORTS = "SCSI Miniport"

# Windows' own NVMe driver, from 2012 R2 on; its StartOverride says 3 wherever no NVMe disk was seen yet.
NVME = ("stornvme",)
# Xen instances boot from an emulated PIIX3 IDE controller; the PV drivers take over after the first boot.
IDE = ("atapi", "pciide", "intelide")
# What VMware Tools installs and nothing on EC2 answers. Left alone on purpose: pvscsi, vmxnet3ndis6, vm3dmp, vmci and
# vsock load for their devices only, and vmmouse is named as a filter of the mouse class, which fails without it.
VMWARE = (
    *("VMTools", "VGAuthService", "vmvss", "vm3dservice", "VMUpgradeHelper", "vmhgfs", "VMMEMCTL", "vmrawdsk"),
    *("vmdebug", "VMwareCAFCommAmqpListener", "VMwareCAFManagementAgentHost", "VMwareCAFManagementAgent"),
)
REMOTE_DESKTOP = "TermService"
LOOKED_AT = (*NVME, *IDE, *VMWARE, REMOTE_DESKTOP)


def service_key(control_set: str, name: str) -> Key:
    """The key of a service."""
    return (control_set, "Services", name)


def boot_driver(control_set: str, driver: Driver) -> list[Change]:
    """The service of a storage driver that is started by the boot loader, with the settings of its INF."""
    why = f"{driver.description or driver.service} finds EC2's disks when Windows starts"
    key = service_key(control_set, driver.service)
    changes: list[Change] = [
        dword(key, "Type", _KERNEL_DRIVER, why),
        dword(key, "Start", BOOT, why),
        dword(key, "ErrorControl", _NORMAL, why),
        sz(key, "Group", driver.load_group or _MINIPORTS, why),
        expand_sz(key, "ImagePath", f"System32\\drivers\\{driver.sys}", why),
    ]
    if driver.display:
        changes.append(sz(key, "DisplayName", driver.display, why))
    if driver.dependencies:
        changes.append(multi_sz(key, "DependOnService", driver.dependencies, why))
    changes += [SetValue((*key, *each.subkey), each.name, each.kind, each.data, why) for each in driver.settings]
    return [*changes, _without_override(key)]


def in_box(registry: Registry) -> list[Change]:
    """Windows' own drivers of EC2's disks, so far as this Windows has them, started at boot."""
    changes: list[Change] = []
    for service in _found(registry, NVME):
        changes += _at_boot(registry, service, "an instance on Nitro has its disks on NVMe")
    for service in _found(registry, IDE):
        changes += _at_boot(registry, service, "an instance on Xen boots from an emulated IDE disk")
    return changes


def _at_boot(registry: Registry, service: Service, why: str) -> list[Change]:
    key = service_key(registry.control_set, service.name)
    return [dword(key, "Start", BOOT, why), _without_override(key)]


def _without_override(key: Key) -> DropKey:
    return DropKey((*key, "StartOverride"), "it would start the driver on demand, whatever Start says")


def vmware_off(registry: Registry) -> list[Change]:
    """VMware Tools' services and helper drivers, disabled; they stay installed until the first boot removes them."""
    why = "VMware Tools has no host to talk to on EC2"
    return [
        dword(service_key(registry.control_set, service.name), "Start", DISABLED, why)
        for service in _found(registry, VMWARE)
    ]


def remote_desktop_on(registry: Registry) -> list[Change]:
    """Remote Desktop's service, where it was disabled."""
    service = registry.service(REMOTE_DESKTOP)
    if service is None or service.start != DISABLED:
        return []
    why = "an instance on EC2 has no console but Remote Desktop"
    return [dword(service_key(registry.control_set, service.name), "Start", ON_DEMAND, why)]


def _found(registry: Registry, names: Iterable[str]) -> list[Service]:
    return [service for name in names if (service := registry.service(name)) is not None]
