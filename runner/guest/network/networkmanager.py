"""/etc/NetworkManager/system-connections (keyfiles): one profile for every card. Pure.

nm-settings-keyfile(5): a profile is ignored when others than root may read it; without connection.interface-name and
ethernet.mac-address it is for any card.
"""

from __future__ import annotations

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network import ifcfg
from runner.guest.network.shape import BACKUP, INTERFACE, Fixed, System, before, common_zone, is_virtual, settings

DIRECTORY = "/etc/NetworkManager/system-connections"
OURS = f"{DIRECTORY}/hotadd.nmconnection"
STARTED = "/etc/systemd/system/multi-user.target.wants/NetworkManager.service"
_CARDS = ("ethernet", "802-3-ethernet")
_ON_CARDS = (*_CARDS, "bond", "bridge", "vlan", "team")
_WANTED = f"""\
# Written by hotadd: an EC2 instance takes its address from DHCP. The files of before end in {BACKUP}
[connection]
id=hotadd
uuid=5b1c7a52-6a0e-4f5e-9d0b-2f7a64e1c9d3
type=ethernet
multi-connect=3
{{zone}}
[ipv4]
method=auto

[ipv6]
method=auto
"""


def _value(file: TextFile, section: str, key: str) -> str:
    return next((s.value for s in settings(file) if (s.section, s.key) == (section, key)), "")


def _files(facts: GuestFacts) -> list[TextFile]:
    """The profiles of cards, and of bonds, bridges and VLANs that stand on them."""
    return [
        file
        for file in facts.files_in(DIRECTORY)
        if _value(file, "connection", "type") in _ON_CARDS
        and not is_virtual(_value(file, "connection", "interface-name"))
    ]


def _fixed(facts: GuestFacts) -> list[Fixed]:
    """`address1=10.1.1.5/24,10.1.1.1`; before NetworkManager 0.9.10 `addresses1=10.1.1.5;24;10.1.1.1;`."""
    return [
        Fixed(file.path, setting.line, _name(file), setting.value.partition(",")[0])
        for file in _files(facts)
        for setting in settings(file)
        if setting.section in ("ipv4", "ipv6") and setting.key.rstrip("0123456789") in ("address", "addresses")
    ]


def _name(file: TextFile) -> str:
    return _value(file, "connection", "interface-name") or _value(file, "connection", "id")


def _is_ready(file: TextFile) -> bool:
    return (
        _value(file, "connection", "type") in _CARDS
        and _value(file, "connection", "interface-name") in ("", INTERFACE)
        and _value(file, "connection", "autoconnect") != "false"
        and _value(file, "ipv4", "method") == "auto"
        and not any(_value(file, section, "mac-address") for section in _CARDS)
        and not any(_value(file, "connection", key) for key in ("master", "controller", "slave-type", "port-type"))
        and not any(setting.section == "match" for setting in settings(file))
    )


def _to_dhcp(facts: GuestFacts) -> list[Step]:
    files = _files(facts)
    if files and all(_is_ready(file) for file in files) and not _fixed(facts):
        return []
    why = f"DHCP on EC2's interface (addresses before: {before(_fixed(facts))})"
    others = [step for step in _disable(facts) if step.path != OURS]
    # Its plugin ifcfg-rh reads the network scripts' files too, and these are put aside with its own.
    zone = common_zone([*files, *ifcfg.interfaces(facts)])
    text = _WANTED.format(zone=f"zone={zone}\n" if zone else "")
    return [*others, Write(OURS, text, why, keep=True, mode=0o600, suffix=BACKUP)]


def _disable(facts: GuestFacts) -> list[Aside]:
    return [Aside(file.path, "it sets up VMware's network cards", BACKUP) for file in _files(facts)]


SYSTEM = System(
    name="NetworkManager",
    files=(),
    directories=((DIRECTORY, r"[^.].*(?<!~)"),),
    paths=(STARTED,),
    is_read=lambda facts: STARTED in facts.paths,
    # On Red Hat's systems it reads the ifcfg files too.
    is_configured=lambda facts: bool(_files(facts)) or ifcfg.SYSTEM.is_configured(facts),
    files_of=lambda facts: tuple(file.path for file in facts.files_in(DIRECTORY)),
    fixed=_fixed,
    to_dhcp=_to_dhcp,
    disable=lambda facts: [*_disable(facts)],
)
