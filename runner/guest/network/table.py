"""The network of a Linux guest, whatever sets it up: DHCP on the card that EC2 gives. Pure, for every family."""

from __future__ import annotations

from runner.guest.edits import Step
from runner.guest.facts import GuestFacts
from runner.guest.network import ifcfg, ifupdown, netplan, networkd, networkmanager, persistent_names, wicked
from runner.guest.network.shape import System
from runner.guest.refusals import NetworkUnknown, StaticNetwork

# Where several are started and configured, the first has the card: netplan writes for the others, ifupdown's
# interfaces are not managed by NetworkManager, which in turn has the cards before the network scripts start.
SYSTEMS = (
    netplan.SYSTEM,
    wicked.SYSTEM,
    ifupdown.SYSTEM,
    networkmanager.SYSTEM,
    ifcfg.SYSTEM,
    networkd.SYSTEM,
)
# Where none is configured, one that is started is taken, and netplan last: it starts nothing by itself.
_BARE = (networkmanager.SYSTEM, wicked.SYSTEM, ifcfg.SYSTEM, networkd.SYSTEM, ifupdown.SYSTEM, netplan.SYSTEM)

FILES = tuple(path for system in SYSTEMS for path in system.files)
DIRECTORIES = (*(one for system in SYSTEMS for one in system.directories), *persistent_names.DIRECTORIES)
PATHS = (*dict.fromkeys(path for system in SYSTEMS for path in system.paths), persistent_names.GENERATOR)


def decide(facts: GuestFacts, network: str) -> list[Step]:
    """The steps to DHCP: the system in force rewritten, files of the others disabled, names not bound to a card.

    Raises `NetworkUnknown` when nothing would set up a network, and `StaticNetwork`, when `network` is "keep", for an
    address that is fixed in a file that is read at boot.
    """
    system = in_force(facts)
    if system is None:
        looked = ", ".join(each.name for each in SYSTEMS)
        raise NetworkUnknown(facts.product, f"it starts none of {looked}")
    others = [each for each in SYSTEMS if each is not system]
    if network == "keep":
        read = [system, *(each for each in others if _is_read(each, facts))]
        fixed = [address for each in read for address in each.fixed(facts)]
        if fixed:
            raise StaticNetwork(fixed[0].file, fixed[0].line, fixed[0].address)
    return [
        *system.to_dhcp(facts),
        # A system that is not there today may be started tomorrow, with addresses of the old network.
        *(step for each in others for step in each.disable(facts)),
        *persistent_names.decide(facts),
    ]


def in_force(facts: GuestFacts) -> System | None:
    """The system that sets up the network card at boot; None when there is none."""
    started = [system for system in SYSTEMS if system.is_read(facts)]
    found = next((system for system in started if system.is_configured(facts)), None)
    found = found or next((system for system in _BARE if system in started), None)
    if found is None and facts.text(ifupdown.PATH) is not None:
        return ifupdown.SYSTEM
    return found


def told(facts: GuestFacts) -> tuple[str, ...]:
    """For `inspect`: each system with its files, the one in force first."""
    try:
        force = in_force(facts)
    except NetworkUnknown:
        force = None  # the verdict says why
    lines = []
    for system in sorted(SYSTEMS, key=lambda each: each is not force):
        files = system.files_of(facts)
        doubt = "" if system is force else ", not in force"
        lines += [f"{system.name} ({path}){doubt}" for path in files]
        if system is force and not files:
            lines.append(f"{system.name} (no file of its own)")
    return tuple(lines)


def _is_read(system: System, facts: GuestFacts) -> bool:
    # NetworkManager's plugin ifcfg-rh reads the network scripts' files.
    by_plugin = system is ifcfg.SYSTEM and networkmanager.SYSTEM.is_read(facts)
    return by_plugin or system.is_read(facts)
