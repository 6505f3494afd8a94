"""/etc/network/interfaces (ifupdown): from fixed addresses to DHCP on EC2's network interface. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.guest.edits import Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import Fixed, System, before, is_virtual
from runner.guest.refusals import NetworkUnknown

PATH = "/etc/network/interfaces"
DIRECTORY = "/etc/network/interfaces.d"
DHCP_CLIENTS = ("/sbin/dhclient", "/usr/sbin/dhclient", "/sbin/dhcpcd", "/usr/sbin/dhcpcd", "/sbin/udhcpc")
_IFUP = ("/sbin/ifup", "/usr/sbin/ifup")
WANTED = """\
# Written by hotadd: an EC2 instance takes its address from DHCP. The file of before is interfaces.hotadd.
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
"""
_NOTHING = """\
# Written by hotadd: another program sets up the network. The file of before is interfaces.hotadd.
auto lo
iface lo inet loopback
"""


@dataclass(frozen=True)
class Stanza:
    """An `iface` of the file, `address` empty when it fixes none. `line`, from 1, is that of the address if any."""

    file: str
    line: int
    name: str
    method: str
    address: str


def stanzas(file: TextFile) -> Iterator[Stanza]:
    """The `iface` stanzas of a file, with the address each one fixes."""
    found: Stanza | None = None
    for number, line in enumerate(file.text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface" and len(words) >= 4:
            if found:
                yield found
            found = Stanza(file.path, number, words[1], words[3], "")
        elif words[0] == "address" and found and len(words) > 1:
            found = Stanza(found.file, number, found.name, found.method, words[1])
        elif words[0] in ("auto", "mapping", "source", "source-directory") or words[0].startswith("allow-"):
            if found:
                yield found
            found = None
    if found:
        yield found


def _is_read(facts: GuestFacts) -> bool:
    return facts.text(PATH) is not None and bool(set(_IFUP) & set(facts.paths))


def _is_configured(facts: GuestFacts) -> bool:
    return any(not is_virtual(stanza.name) for file in _read(facts) for stanza in stanzas(file))


def _read(facts: GuestFacts) -> list[TextFile]:
    """The files that are read at boot: those of the directory only when the main one asks for it."""
    main = facts.text(PATH)
    files = [TextFile(PATH, main)] if main is not None else []
    if main is not None and any(line.split()[:1] in (["source"], ["source-directory"]) for line in main.splitlines()):
        files += facts.files_in(DIRECTORY)
    return files


def _files_of(facts: GuestFacts) -> tuple[str, ...]:
    return tuple(file.path for file in facts.files if file.path == PATH or file in facts.files_in(DIRECTORY))


def _fixed(facts: GuestFacts) -> list[Fixed]:
    found = [stanza for file in _read(facts) for stanza in stanzas(file)]
    return [Fixed(s.file, s.line, s.name, s.address) for s in found if s.method in ("static", "manual") and s.address]


def _to_dhcp(facts: GuestFacts) -> list[Step]:
    if _meaning(facts.text(PATH) or "") == _meaning(WANTED):
        return []
    if not set(DHCP_CLIENTS) & set(facts.paths):
        raise NetworkUnknown(facts.product, "it has ifupdown, but none of the DHCP clients dhclient, dhcpcd, udhcpc")
    why = f"DHCP on EC2's interface (addresses before: {before(_fixed(facts))})"
    return [Write(PATH, WANTED, why, keep=True)]


def _disable(facts: GuestFacts) -> list[Step]:
    if not _is_configured(facts):
        return []
    why = f"another program sets up the network (addresses before: {before(_fixed(facts))})"
    return [Write(PATH, _NOTHING, why, keep=True)]


def _meaning(text: str) -> list[list[str]]:
    """The words of a file, line by line, without comments; it does not matter how eth0 is brought up."""
    lines = [line.replace("allow-hotplug ", "auto ").split() for line in text.splitlines()]
    return sorted(words for words in lines if words and not words[0].startswith("#"))


SYSTEM = System(
    name="ifupdown",
    files=(PATH,),
    directories=((DIRECTORY, r"[A-Za-z0-9_.-]+"),),
    paths=(*_IFUP, *DHCP_CLIENTS),
    is_read=_is_read,
    is_configured=_is_configured,
    files_of=_files_of,
    fixed=_fixed,
    to_dhcp=_to_dhcp,
    disable=_disable,
)
