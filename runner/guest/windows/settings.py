"""Settings of Windows itself that EC2 asks for: the clock, data disks, Remote Desktop, crashes. Pure."""

from __future__ import annotations

import re

from runner.guest.windows.changes import Change, Key, dword, sz
from runner.guest.windows.facts import Registry
from runner.guest.windows.services import remote_desktop_on, service_key

_ONLINE_ALL = 1  # "SAN policy" of the partition manager: OnlineAll
KEPT_AUTO_REBOOT = "AutoRebootBeforeHotadd"  # what AutoReboot was, until the first boot puts it back
_ACTIVE = re.compile(r"\|Active=FALSE\|", re.IGNORECASE)


def crash_key(control_set: str) -> Key:
    """Where Windows keeps what it does after a crash."""
    return (control_set, "Control", "CrashControl")


def rules_key(control_set: str) -> Key:
    """Where the Windows firewall keeps its rules, one value each."""
    return (*service_key(control_set, "SharedAccess"), "Parameters", "FirewallPolicy", "FirewallRules")


def machine(registry: Registry) -> list[Change]:
    """All settings, drivers and services apart."""
    control_set = registry.control_set
    crash = crash_key(control_set)
    return [
        dword(
            (control_set, "Control", "TimeZoneInformation"),
            "RealTimeIsUniversal",
            1,
            "EC2's clock is UTC; without it the guest is hours off until it finds a time server",
        ),
        dword(
            (*service_key(control_set, "partmgr"), "Parameters"),
            "SanPolicy",
            _ONLINE_ALL,
            "data disks on another controller would stay offline",
        ),
        dword(crash, KEPT_AUTO_REBOOT, registry.auto_reboot, "the first boot puts AutoReboot back to it"),
        dword(crash, "AutoReboot", 0, "a stop of the first boot stays on the screen, where it can be read"),
        *_remote_desktop(registry),
    ]


def _remote_desktop(registry: Registry) -> list[Change]:
    """Remote Desktop, switched on with its own firewall rules; who may reach it is the security group's to say.

    Whether it asks for a logon first (UserAuthentication) and who may log on stays as it was, and so do policies: they
    are in another hive and win over these values.
    """
    why = "an instance on EC2 has no console but Remote Desktop"
    changes: list[Change] = [
        dword((registry.control_set, "Control", "Terminal Server"), "fDenyTSConnections", 0, why),
        *remote_desktop_on(registry),
    ]
    for name, rule in registry.desktop_rules:
        if _ACTIVE.search(rule):
            changes.append(sz(rules_key(registry.control_set), name, _ACTIVE.sub("|Active=TRUE|", rule), why))
    return changes
