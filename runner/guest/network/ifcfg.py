"""/etc/sysconfig/network-scripts (RHEL and its rebuilds, 6 to 9): the network service, and NetworkManager's ifcfg-rh.

The keys are those of initscripts' sysconfig.txt and of nm-settings-ifcfg-rh(5). Pure.
"""

from __future__ import annotations

from runner.guest.edits import Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import INTERFACE, System, settings
from runner.guest.network.sysconfig import IGNORED, Dialect
from runner.guest.refusals import NetworkUnknown

DIRECTORY = "/etc/sysconfig/network-scripts"
COMMON = "/etc/sysconfig/network"
_STARTED = "/etc/rc.d/rc3.d/S10network"
_DHCP_CLIENTS = ("/sbin/dhclient", "/usr/sbin/dhclient")
_DIALECT = Dialect(
    directory=DIRECTORY,
    dhcp=("dhcp", "bootp"),
    started=("ONBOOT", ("no",)),
    routes=("route-", "route6-", "rule-", "rule6-"),
    wanted=f"""\
# Written by hotadd: an EC2 instance takes its address from DHCP.
DEVICE={INTERFACE}
TYPE=Ethernet
BOOTPROTO=dhcp
ONBOOT=yes
""",
)


def interfaces(facts: GuestFacts) -> list[TextFile]:
    """The files of cards, and of bonds, bridges and VLANs that stand on them."""
    return _DIALECT.interfaces(facts)


def _to_dhcp(facts: GuestFacts) -> list[Step]:
    if not set(_DHCP_CLIENTS) & set(facts.paths):
        raise NetworkUnknown(facts.product, "it has the network scripts, but not the DHCP client dhclient")
    return [*_DIALECT.to_dhcp(facts), *_common(facts)]


def _common(facts: GuestFacts) -> list[Step]:
    """dhclient-script takes no default route from DHCP where these are set for all interfaces."""
    file = next((file for file in facts.files if file.path == COMMON), None)
    found = [setting for setting in settings(file) if setting.key in ("GATEWAY", "GATEWAYDEV")] if file else []
    if file is None or not found:
        return []
    lines = file.text.splitlines(keepends=True)
    for setting in found:
        lines[setting.line - 1] = ""
    why = f"the default route comes from DHCP ({', '.join(f'{s.key} {s.value}' for s in found)} before)"
    return [Write(COMMON, "".join(lines), why, keep=True)]


SYSTEM = System(
    name="ifcfg",
    files=(COMMON,),
    directories=((DIRECTORY, rf"(ifcfg|route6?|rule6?)-.+{IGNORED}"),),
    paths=(_STARTED, *_DHCP_CLIENTS),
    is_read=lambda facts: _STARTED in facts.paths,
    is_configured=lambda facts: bool(interfaces(facts)),
    files_of=lambda facts: tuple(file.path for file in interfaces(facts)),
    fixed=_DIALECT.fixed,
    to_dhcp=_to_dhcp,
    disable=_DIALECT.disable,
)
