"""What binds an interface's name to VMware's card: udev rules, the generator that writes them, .link files. Pure."""

from __future__ import annotations

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts
from runner.guest.network.shape import settings

RULES_DIRECTORY = "/etc/udev/rules.d"
LINK_DIRECTORY = "/etc/systemd/network"
_NET_GENERATOR = "75-persistent-net-generator.rules"  # Debian 8, RHEL 6 and older: binds eth0 to the first MAC it sees
GENERATOR = f"/lib/udev/rules.d/{_NET_GENERATOR}"
DIRECTORIES = ((RULES_DIRECTORY, r".*persistent-net.*\.rules"), (LINK_DIRECTORY, r".+\.link"))
# systemd.link(5), [Match]: what tells one card from another of the same kind.
_CARD = ("MACAddress", "PermanentMACAddress", "Path", "OriginalName", "Property")


def decide(facts: GuestFacts) -> list[Step]:
    """The rules and links aside, the generator masked."""
    steps: list[Step] = [
        Aside(file.path, "it binds interface names to VMware's MAC addresses")
        for file in facts.files_in(RULES_DIRECTORY, ".rules")
        if "persistent-net" in file.path and file.text.strip() and _NET_GENERATOR not in file.path
    ]
    masked = f"{RULES_DIRECTORY}/{_NET_GENERATOR}"
    if GENERATOR in facts.paths and facts.text(masked) is None:
        steps.append(Write(masked, "", "an empty file masks the generator that would bind names to MACs again"))
    for file in facts.files_in(LINK_DIRECTORY, ".link"):
        said = {(setting.section, setting.key) for setting in settings(file)}
        if ("link", "Name") in said and any(("match", key) in said for key in _CARD):
            steps.append(Aside(file.path, "it gives VMware's card a name of its own"))
    return steps
