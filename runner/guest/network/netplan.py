"""/etc/netplan (Ubuntu): one file that matches every card, instead of those that name VMware's. Pure.

netplan(5): all *.yaml files of the directory are merged, so a file under another suffix is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

import yaml

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import INTERFACE, Fixed, System, before, is_virtual
from runner.guest.refusals import NetworkUnknown

DIRECTORY = "/etc/netplan"
OURS = f"{DIRECTORY}/99-hotadd.yaml"
_TOOLS = ("/usr/sbin/netplan", "/sbin/netplan")
_KINDS = ("ethernets", "bonds", "bridges", "vlans")  # what carries a card's address; tunnels and wifis do not
_HEAD = "# Written by hotadd: an EC2 instance takes its address from DHCP. The files of before end in .hotadd.\n"
_NETWORKD = """\
network:
  version: 2
  renderer: networkd
  ethernets:
    ec2:
      match:
        name: "e*"
      dhcp4: true
"""
# No match: NetworkManager takes patterns of names only from 1.14 on, and Ubuntu 18.04 has 1.10 (netplan(5), match).
_MANAGER = f"""\
network:
  version: 2
  renderer: NetworkManager
  ethernets:
    {INTERFACE}:
      dhcp4: true
"""


@dataclass(frozen=True)
class _Device:
    """A device that a file defines; `match` is None when its id is the interface's name."""

    file: str
    kind: str
    id: str
    renderer: str
    dhcp4: bool
    match: dict[str, str] | None
    addresses: tuple[tuple[int, str], ...]


def _is_read(facts: GuestFacts) -> bool:
    return bool(set(_TOOLS) & set(facts.paths))


def _devices(facts: GuestFacts) -> list[_Device]:
    """The devices of all files that may carry a card's address. Raises `NetworkUnknown` for what is no YAML."""
    return [device for file in facts.files_in(DIRECTORY, ".yaml") for device in _defined(file, facts.product)]


@lru_cache(maxsize=64)  # a file of the largest size that is read takes many seconds, and is asked about a few times
def _defined(file: TextFile, product: str) -> tuple[_Device, ...]:
    try:
        # Nodes, not values: they know their lines, and an alias costs nothing however often it is used.
        top = yaml.compose(file.text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise NetworkUnknown(product, f"{file.path} is no YAML that can be read") from error
    network = _mapping(_mapping(top).get("network"))
    return tuple(_in(network, file.path))


def _in(network: dict[str, yaml.Node], path: str) -> Iterator[_Device]:
    for kind in _KINDS:
        for name, node in _mapping(network.get(kind)).items():
            said = _mapping(node)
            if is_virtual(name):
                continue
            match = {key: _word(value) for key, value in _mapping(said["match"]).items()} if "match" in said else None
            yield _Device(
                file=path,
                kind=kind,
                id=name,
                renderer=_word(said.get("renderer")) or _word(network.get("renderer")),
                dhcp4=_word(said.get("dhcp4")).lower() in ("true", "yes", "on"),
                match=match,
                addresses=tuple(_addresses(said.get("addresses"))),
            )


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {_word(key): value for key, value in node.value}


def _word(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _addresses(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Each is a word, or a mapping from the word to its options."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else ():
        for word in [_word(each)] if isinstance(each, yaml.ScalarNode) else _mapping(each):
            yield each.start_mark.line + 1, word


def _fixed(facts: GuestFacts) -> list[Fixed]:
    return [Fixed(d.file, line, d.id, address) for d in _devices(facts) for line, address in d.addresses]


def _is_ready(device: _Device) -> bool:
    """Whether a definition means EC2's card, and DHCP on it."""
    if device.kind != "ethernets" or device.addresses or not device.dhcp4:
        return False
    if device.match is None:
        return device.id == INTERFACE
    return list(device.match) == ["name"] and fnmatchcase(INTERFACE, device.match["name"])


def _to_dhcp(facts: GuestFacts) -> list[Step]:
    devices = _devices(facts)
    if devices and all(_is_ready(device) for device in devices):
        return []
    managed = any(device.renderer == "NetworkManager" for device in devices)
    why = f"DHCP on EC2's interface (addresses before: {before(_fixed(facts))})"
    # 0600, else netplan warns of it at every start.
    ours = Write(OURS, _HEAD + (_MANAGER if managed else _NETWORKD), why, keep=True, mode=0o600)
    return [*(step for step in _disable(facts) if step.path != OURS), ours]


def _disable(facts: GuestFacts) -> list[Aside]:
    if not _is_read(facts):
        return []  # and what is never read need be no YAML
    files = dict.fromkeys(device.file for device in _devices(facts))
    return [Aside(path, "it sets up VMware's network cards, by name or by address") for path in files]


SYSTEM = System(
    name="netplan",
    files=(),
    directories=((DIRECTORY, r".+\.yaml"),),
    paths=_TOOLS,
    is_read=_is_read,
    is_configured=lambda facts: _is_read(facts) and bool(_devices(facts)),
    files_of=lambda facts: tuple(file.path for file in facts.files_in(DIRECTORY, ".yaml")),
    fixed=_fixed,
    to_dhcp=_to_dhcp,
    disable=lambda facts: [*_disable(facts)],
)
