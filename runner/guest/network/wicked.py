"""/etc/sysconfig/network (SLES): wicked's ifcfg files, their keys as in ifcfg(5) and routes(5) of SLES 15. Pure."""

from __future__ import annotations

from runner.guest.edits import Aside, Step
from runner.guest.facts import GuestFacts
from runner.guest.network.shape import System
from runner.guest.network.sysconfig import IGNORED, Dialect

DIRECTORY = "/etc/sysconfig/network"
ROUTES = f"{DIRECTORY}/routes"
_STARTED = (
    "/etc/systemd/system/multi-user.target.wants/wicked.service",
    "/etc/systemd/system/network-online.target.wants/wicked.service",
)
_DIALECT = Dialect(
    directory=DIRECTORY,
    dhcp=("dhcp", "dhcp4", "dhcp+autoip"),
    started=("STARTMODE", ("manual", "off", "ifplugd")),
    routes=("ifroute-",),
    wanted="""\
# Written by hotadd: an EC2 instance takes its address from DHCP.
BOOTPROTO='dhcp'
STARTMODE='auto'
""",
)


def _routes(facts: GuestFacts) -> list[Step]:
    """The routes of all interfaces; its default route would win over that of DHCP."""
    said = [line for line in (facts.text(ROUTES) or "").splitlines() if line.strip() and not line.startswith("#")]
    return [Aside(ROUTES, f"its routes lead over the old network ({'; '.join(said)})")] if said else []


SYSTEM = System(
    name="wicked",
    files=(ROUTES,),
    directories=((DIRECTORY, rf"(ifcfg|ifroute)-.+{IGNORED}(?<!\.scpmbackup)"),),
    paths=_STARTED,
    is_read=lambda facts: bool(set(_STARTED) & set(facts.paths)),
    is_configured=lambda facts: bool(_DIALECT.interfaces(facts)),
    files_of=lambda facts: tuple(file.path for file in _DIALECT.interfaces(facts)),
    fixed=_DIALECT.fixed,
    to_dhcp=lambda facts: [*_DIALECT.to_dhcp(facts), *_routes(facts)],
    disable=_DIALECT.disable,
)
