"""/etc/systemd/network (systemd-networkd): one .network file for every card. Pure.

systemd.network(5): only *.network files are read, and the first, by name, that matches an interface is applied; one in
/etc takes the place of one of the same name in /usr/lib, where distributions put theirs.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import INTERFACE, Fixed, System, before, is_virtual, settings

DIRECTORY = "/etc/systemd/network"
SHIPPED = "/usr/lib/systemd/network"
OURS = f"{DIRECTORY}/05-hotadd.network"
_STARTED = (
    "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
    "/etc/systemd/system/dbus-org.freedesktop.network1.service",
)
_WANTED = """\
# Written by hotadd: an EC2 instance takes its address from DHCP. The files of before end in .hotadd.
[Match]
Name=en* eth*

[Network]
DHCP=yes
"""


# EC2's cards as sysfs names their drivers, on Nitro and on Xen; amazon-ec2-net-utils' 80-ec2.network asks for these.
_DRIVERS = ("ena", "vif")


def _matches(file: TextFile) -> dict[str, str]:
    return {setting.key: setting.value for setting in settings(file) if setting.section == "match"}


def _files(facts: GuestFacts) -> list[TextFile]:
    """The files that are about a card, or about a bridge, bond or VLAN that stands on one."""
    found = []
    for file in facts.files_in(DIRECTORY, ".network"):
        match = _matches(file)
        names = match.get("Name", "").split()
        if not (names and all(is_virtual(name) for name in names)) and match.get("Type", "ether") == "ether":
            found.append(file)
    return found


def _fixed(facts: GuestFacts) -> list[Fixed]:
    return [
        Fixed(file.path, setting.line, _matches(file).get("Name", "an interface"), setting.value)
        for file in _files(facts)
        for setting in settings(file)
        if setting.key == "Address" and setting.section in ("network", "address") and setting.value
    ]


def _is_ready(file: TextFile) -> bool:
    match = _matches(file)
    drivers = match.get("Driver", "").split()
    names = match.get("Name", "*" if match.get("Type") == "ether" or drivers else "").split()
    told = [s.value.lower() for s in settings(file) if s.section == "network" and s.key == "DHCP"]
    reaches = set(match) <= {"Name", "Type", "Driver"} and _is_among(INTERFACE, names)
    reaches = reaches and (not drivers or all(_is_among(driver, drivers) for driver in _DRIVERS))
    return reaches and told[-1:] in (["yes"], ["true"], ["ipv4"], ["both"])


def _is_among(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _shipped(facts: GuestFacts) -> list[str]:
    """The distribution's own files that do what is due; ours would hide what its tools add to them."""
    own = [f"{SHIPPED}/{file.path.rpartition('/')[2]}" for file in facts.files_in(DIRECTORY, ".network")]
    return [f.path for f in facts.files_in(SHIPPED, ".network") if f.path not in own and _is_ready(f)]


def _to_dhcp(facts: GuestFacts) -> list[Step]:
    files = _files(facts)
    if files and all(_is_ready(file) for file in files) and not _fixed(facts):
        return []
    if _shipped(facts):
        return [*_disable(facts)]
    why = f"DHCP on EC2's interface (addresses before: {before(_fixed(facts))})"
    others = [step for step in _disable(facts) if step.path != OURS]
    return [*others, Write(OURS, _WANTED, why, keep=True)]


def _disable(facts: GuestFacts) -> list[Aside]:
    return [Aside(file.path, "it sets up VMware's network cards") for file in _files(facts)]


SYSTEM = System(
    name="systemd-networkd",
    files=(),
    directories=tuple((directory, r".+\.network") for directory in (DIRECTORY, SHIPPED)),
    paths=_STARTED,
    is_read=lambda facts: bool(set(_STARTED) & set(facts.paths)),
    is_configured=lambda facts: bool(_files(facts)),
    files_of=lambda facts: (*(file.path for file in facts.files_in(DIRECTORY, ".network")), *_shipped(facts)),
    fixed=_fixed,
    to_dhcp=_to_dhcp,
    disable=lambda facts: [*_disable(facts)],
)
