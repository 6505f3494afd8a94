"""ifcfg files, which Red Hat's network scripts and SUSE's wicked both have, each in its own dialect. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import BACKUP, INTERFACE, Fixed, before, common_zone, is_virtual, settings

# Names that every reader passes over (see shape.BACKUP) are not read here either.
IGNORED = r"(?<!~)(?<!\.bak)(?<!\.old)(?<!\.orig)(?<!\.rpmnew)(?<!\.rpmorig)(?<!\.rpmsave)"


@dataclass(frozen=True)
class Dialect:
    """Where the files lie, which values of BOOTPROTO mean DHCP (anything else fixes), the file that is wanted.

    `started`: the key that says whether the interface comes up at boot, and the values that say it does not. `routes`:
    prefixes of the files with an interface's routes.
    """

    directory: str
    dhcp: tuple[str, ...]
    started: tuple[str, tuple[str, ...]]
    routes: tuple[str, ...]
    wanted: str

    @property
    def ours(self) -> str:
        """The file of EC2's interface."""
        return f"{self.directory}/ifcfg-{INTERFACE}"

    def interfaces(self, facts: GuestFacts) -> list[TextFile]:
        """The files of cards, and of bonds, bridges and VLANs that stand on them."""
        return [
            file
            for file in facts.files_in(self.directory)
            if file.path.startswith(f"{self.directory}/ifcfg-") and not is_virtual(_name(file))
        ]

    def fixed(self, facts: GuestFacts) -> list[Fixed]:
        """The addresses that these files fix."""
        return [
            Fixed(file.path, setting.line, _name(file), setting.value)
            for file in self.interfaces(facts)
            if _values(file).get("BOOTPROTO", "").lower() not in self.dhcp
            for setting in settings(file)
            if setting.key.startswith(("IPADDR", "IPV6ADDR")) and setting.value
        ]

    def to_dhcp(self, facts: GuestFacts) -> list[Step]:
        """The file of EC2's interface, when there is not just one that will do; every other goes aside."""
        others: list[Step] = [step for step in self._asides(facts) if step.path != self.ours]
        if not self._is_ready(facts):
            why = f"DHCP on EC2's interface (addresses before: {before(self.fixed(facts))})"
            zone = common_zone(self.interfaces(facts))
            text = self.wanted + (f"ZONE={zone}\n" if zone else "")
            others.append(Write(self.ours, text, why, keep=True, suffix=BACKUP))
        return others

    def disable(self, facts: GuestFacts) -> list[Step]:
        """Put the files of the cards aside, and their routes, which lead to gateways of the old network."""
        return [*self._asides(facts)]

    def _asides(self, facts: GuestFacts) -> list[Aside]:
        cards = [Aside(file.path, "it sets up VMware's network cards", BACKUP) for file in self.interfaces(facts)]
        return [*cards, *(Aside(path, "its routes lead over the old network", BACKUP) for path in self._routes(facts))]

    def _routes(self, facts: GuestFacts) -> list[str]:
        prefixes = tuple(f"{self.directory}/{prefix}" for prefix in self.routes)
        files = [file.path for file in facts.files_in(self.directory) if file.path.startswith(prefixes)]
        return [path for path in files if not is_virtual(path.rpartition("/")[2].partition("-")[2])]

    def _is_ready(self, facts: GuestFacts) -> bool:
        text = facts.text(self.ours)
        if text is None:
            return False
        said = _values(TextFile(self.ours, text))
        key, never = self.started
        # A MAC address binds it to VMware's card; a master makes it a part of a bond.
        bound = {"HWADDR", "LLADDR", "MACADDR", "MASTER", "BRIDGE", "SUBCHANNELS"} & set(said)
        dhcp = said.get("BOOTPROTO", "").lower() in self.dhcp and said.get("DEVICE", INTERFACE) == INTERFACE
        return dhcp and not bound and said.get(key, never[0]).lower() not in never


def _values(file: TextFile) -> dict[str, str]:
    return {setting.key: setting.value for setting in settings(file)}


def _name(file: TextFile) -> str:
    return _values(file).get("DEVICE") or file.path.rpartition("/ifcfg-")[2]
