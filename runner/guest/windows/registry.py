"""Reading from a Windows guest's two system hives what decides whether it boots on EC2, and how."""

from __future__ import annotations

import re

from runner.guest.windows import services, storage
from runner.guest.windows.facts import Registry, Release, Service
from runner.guest.windows.hive import Hive
from runner.guest.windows.settings import KEPT_AUTO_REBOOT, crash_key, rules_key

# Either makes 2008 R2 take drivers that are signed with SHA-2.
SHA2_UPDATES = ("KB3033929", "KB4474419")
_CURRENT = ("Microsoft", "Windows NT", "CurrentVersion")
_WINDOWS = ("Microsoft", "Windows", "CurrentVersion")
_SERVICING = (*_WINDOWS, "Component Based Servicing")
_PACKAGE = re.compile(r"package_(?:\d+_)?for_(kb\d+)", re.IGNORECASE | re.ASCII)
# Component Based Servicing's CurrentState: superseded (a newer one does it), installed, permanent.
_INSTALLED = (0x50, 0x70, 0x80)
# What the policy "Prevent installation of devices not described by other policy settings" is in the registry.
_RESTRICTIONS = ("Policies", "Microsoft", "Windows", "DeviceInstall", "Restrictions")
_DENIES = ("DenyUnspecified", "DenyDeviceIDs", "DenyDeviceClasses", "DenyInstanceIDs")
_PRODUCT_CODE = re.compile(r"\{[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", re.IGNORECASE | re.ASCII)
# Windows' own rules that let Remote Desktop in, whatever Windows calls them in its release: by group and port.
_DESKTOP_RULE = re.compile(r"remotedesktop-[\w-]+", re.IGNORECASE | re.ASCII)
_DESKTOP_PARTS = ("|action=allow|", "|dir=in|", "|lport=3389|")
_LONGEST_RULE = 4096


def read(system: Hive, software: Hive) -> Registry:
    """The facts of both hives. Raises `HiveBroken`."""
    control_set = system.current_control_set()
    release = _release(system, software, control_set)
    return Registry(
        release=release,
        control_set=control_set,
        driver_database=system.has(("DriverDatabase",)),
        services=_services(system, control_set),
        updates=_updates(software) if release.version == (6, 1) else (),
        tools=_tools(software),
        pending=_pending(system, software, control_set),
        unread=tuple(name for name in storage.UNREAD if system.number(storage.plug_and_play(control_set), name)),
        restrictions=tuple(name for name in _DENIES if software.number(_RESTRICTIONS, name)),
        auto_reboot=_auto_reboot(system, control_set),
        desktop_rules=_desktop_rules(system, control_set),
    )


def _release(system: Hive, software: Hive, control_set: str) -> Release:
    found = {value.name.casefold(): value for value in software.values(_CURRENT)}

    def text(name: str) -> str:
        value = found.get(name.casefold())
        return value.text if value else ""

    major = software.number(_CURRENT, "CurrentMajorVersionNumber")  # from Windows 10 on; before it CurrentVersion
    if major is not None:
        version = (major, software.number(_CURRENT, "CurrentMinorVersionNumber") or 0)
    else:
        first, _, second = text("CurrentVersion").partition(".")
        version = (_decimal(first), _decimal(second))
    environment = (control_set, "Control", "Session Manager", "Environment")
    return Release(
        product=text("ProductName"),
        edition=text("EditionID"),
        installation=text("InstallationType"),
        version=version,
        build=_decimal(text("CurrentBuild")) or _decimal(text("CurrentBuildNumber")),
        label=text("DisplayVersion") or text("ReleaseId"),
        architecture=system.text(environment, "PROCESSOR_ARCHITECTURE"),
    )


def _decimal(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _services(system: Hive, control_set: str) -> tuple[Service, ...]:
    found = []
    for name in services.LOOKED_AT:
        key = services.service_key(control_set, name)
        if not system.has(key):
            continue
        kind, start = system.number(key, "Type"), system.number(key, "Start")
        found.append(
            Service(
                name=name,
                type=-1 if kind is None else kind,
                start=-1 if start is None else start,
                image_path=system.text(key, "ImagePath"),
                start_override=system.has((*key, "StartOverride")),
            )
        )
    return tuple(found)


def _updates(software: Hive) -> tuple[str, ...]:
    packages = (*_SERVICING, "Packages")
    found = set()
    for package in software.keys(packages):
        match = _PACKAGE.match(package)
        if match is None or match[1].upper() not in SHA2_UPDATES:
            continue
        if software.number((*packages, package), "CurrentState") in _INSTALLED:
            found.add(match[1].upper())
    return tuple(sorted(found))


def _tools(software: Hive) -> str:
    """The product code under which VMware Tools can be uninstalled, empty without it."""
    for uninstall in ((*_WINDOWS, "Uninstall"), ("WOW6432Node", *_WINDOWS, "Uninstall")):
        for product in software.keys(uninstall):
            if (
                _PRODUCT_CODE.fullmatch(product)
                and software.text((*uninstall, product), "DisplayName") == "VMware Tools"
            ):
                return product.upper()
    return ""


def _pending(system: Hive, software: Hive, control_set: str) -> tuple[str, ...]:
    signs = []
    if software.has((*_SERVICING, "RebootPending")):
        signs.append("an update waits for a reboot")
    if software.has((*_WINDOWS, "WindowsUpdate", "Auto Update", "RebootRequired")):
        signs.append("Windows Update waits for a reboot")
    renames = system.value((control_set, "Control", "Session Manager"), "PendingFileRenameOperations")
    if renames is not None and renames.texts:
        signs.append("files are to be renamed at the next start")
    if system.number(("Setup",), "SystemSetupInProgress") or system.number(("Setup",), "OOBEInProgress"):
        signs.append("Windows Setup is not through")
    return tuple(signs)


def _auto_reboot(system: Hive, control_set: str) -> int:
    """What AutoReboot is before conversion; Windows takes 1 where there is none."""
    key = crash_key(control_set)
    for name in (KEPT_AUTO_REBOOT, "AutoReboot"):
        number = system.number(key, name)
        if number is not None:
            return 1 if number else 0
    return 1


def _desktop_rules(system: Hive, control_set: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (value.name, value.text)
        for value in system.values(rules_key(control_set))
        if _DESKTOP_RULE.fullmatch(value.name)
        and len(value.text) <= _LONGEST_RULE
        and all(part in value.text.lower() for part in _DESKTOP_PARTS)
    )
