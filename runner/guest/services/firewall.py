"""Firewall rules that name a network interface which EC2's card does not have: told, not changed. Pure.

Every boot entry says net.ifnames=0, so the card is eth0. A rule for ens192 then matches nothing: what it lets in is
shut out, and what it shuts out comes in. Which of the two was meant, only its author knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from runner.guest.edits import Aside, Note, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network import shape
from runner.guest.network.shape import INTERFACE, is_virtual

_ZONES = "/etc/firewalld/zones"
_NFTABLES = "/etc/nftables"
# ip(6)tables-save(8): of RHEL, of Debian's iptables-persistent, of ufw.
_IPTABLES = (
    *("/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables"),
    *("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"),
    *(f"/etc/ufw/{name}{six}.rules" for name in ("user", "before", "after") for six in ("", "6")),
    *(f"/lib/ufw/user{six}.rules" for six in ("", "6")),
)
_NFT = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
_SUSE = "/etc/sysconfig/SuSEfirewall2"
_DIRECT = "/etc/firewalld/direct.xml"

_NAME = r"([A-Za-z0-9_.@+*-]+)"
_NAMED = (
    # iptables(8), -i and -o; a name that ends in + is a prefix.
    re.compile(rf"(?:^|\s)(?:-i|-o|--in-interface|--out-interface)[\s=]+\"?{_NAME}"),
    # nft(8), meta iif, oif, iifname, oifname: one name, or several in braces.
    re.compile(rf"\b[io]if(?:name)?\s+(?:[!=]=\s*)?\"?{_NAME}"),
    re.compile(r"\b[io]if(?:name)?\s+(?:[!=]=\s*)?\{([^}]{0,999})\}"),
    # firewalld.zone(5)
    re.compile(rf"<interface\s[^>]{{0,99}}name=\"{_NAME}\""),
    re.compile(r"^FW_DEV_\w+=\"([^\"]*)\""),
    # systemd.net-naming-scheme(7), biosdevname(1) and all but the first of the kernel's own, wherever they stand.
    re.compile(r"\b(en(?:o|s|x|p[0-9]+s)[0-9a-f]\w*|eth[1-9][0-9]*|em[0-9]+|p[0-9]+p[0-9]+)\b"),
)
_WORD = re.compile(_NAME)

FILES = (*_IPTABLES, *_NFT, _SUSE, _DIRECT)
DIRECTORIES = ((_ZONES, r".+\.xml"), (_NFTABLES, r".+\.(nft|conf)"))


def decide(facts: GuestFacts) -> list[Note]:
    """A note for every file of rules, with the interfaces it names that will be missing."""
    files = [file for file in facts.files if file.path in FILES]
    files += [file for directory, _ in DIRECTORIES for file in facts.files_in(directory)]
    notes = []
    for file in files:
        lost = sorted({name for line in file.text.splitlines() for name in _names(line) if _is_lost(name)})
        if lost:
            why = f"its rules for {', '.join(lost)} match nothing on EC2, where the interface is {INTERFACE}"
            notes.append(Note(file.path, why))
    return notes


def zones(facts: GuestFacts, network: Sequence[Step]) -> list[Note]:
    """A note for every network file that these steps replace and whose zone of firewalld is not kept."""
    replaced = {step.path for step in network if isinstance(step, Aside | Write)}
    left = [TextFile(step.path, step.text) for step in network if isinstance(step, Write)]
    left += [file for file in facts.files if file.path.endswith(f"/ifcfg-{INTERFACE}") and file.path not in replaced]
    kept = [zone for file in left for zone in shape.zones(file)]
    now = f"zone {kept[0]}" if kept else "the default zone"
    return [
        Note(file.path, f"its interface was in firewalld's zone {zone}; {INTERFACE} is in {now}")
        for file in facts.files
        if file.path in replaced
        for zone in shape.zones(file)
        if zone not in kept
    ]


def _names(line: str) -> list[str]:
    if line.lstrip().startswith("#"):
        return []
    return [name for pattern in _NAMED for found in pattern.findall(line) for name in _WORD.findall(found)]


def _is_lost(name: str) -> bool:
    pattern = name[:-1] + "*" if name.endswith("+") else name
    return name not in ("any", "auto") and not is_virtual(name) and not fnmatchcase(INTERFACE, pattern)
