"""/etc/network/interfaces (ifupdown): from fixed addresses to DHCP on EC2's network interface. Pure.

The kernel line gets net.ifnames=0, so the first interface is eth0 on every kernel and every instance type; a name
like ens192 is VMware's PCI slot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.guest.edits import Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.refusals import NetworkUnknown, StaticNetwork

PATH = "/etc/network/interfaces"
DIRECTORY = "/etc/network/interfaces.d"
DHCP_CLIENTS = ("/sbin/dhclient", "/usr/sbin/dhclient", "/sbin/dhcpcd", "/usr/sbin/dhcpcd", "/sbin/udhcpc")
WANTED = """\
# Written by hotadd: an EC2 instance takes its address from DHCP. The file of before is interfaces.hotadd.
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
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


def fixed(facts: GuestFacts) -> list[Stanza]:
    """The stanzas that fix an address, in the files that are read at boot."""
    main = facts.text(PATH)
    files = [TextFile(PATH, main)] if main is not None else []
    if main is not None and any(line.split()[:1] in (["source"], ["source-directory"]) for line in main.splitlines()):
        files += facts.files_in(DIRECTORY)
    return [s for file in files for s in stanzas(file) if s.method in ("static", "manual") and s.address]


def decide(facts: GuestFacts, network: str) -> list[Write]:
    """The edit to DHCP. Raises `StaticNetwork` when the spec says to keep fixed addresses."""
    text = facts.text(PATH)
    addresses = fixed(facts)
    if addresses and network == "keep":
        raise StaticNetwork(addresses[0].file, addresses[0].line, addresses[0].address)
    if _meaning(text or "") == _meaning(WANTED):
        return []
    if not set(DHCP_CLIENTS) & set(facts.paths):
        raise NetworkUnknown(facts.product, "it has ifupdown, but none of the DHCP clients dhclient, dhcpcd, udhcpc")
    before = ", ".join(f"{s.name} {s.address}" for s in addresses) or "none fixed"
    return [Write(PATH, WANTED, f"DHCP on EC2's interface (addresses before: {before})", keep=True)]


def _meaning(text: str) -> list[list[str]]:
    """The words of a file, line by line, without comments; it does not matter how eth0 is brought up."""
    lines = [line.replace("allow-hotplug ", "auto ").split() for line in text.splitlines()]
    return sorted(words for words in lines if words and not words[0].startswith("#"))
