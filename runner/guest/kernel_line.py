"""The kernel's command line as EC2 wants it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from runner.guest import devices
from runner.guest.facts import GuestFacts, Kernel

# EC2 shows the serial port; the last console= is the one init writes to, and where systemd starts a getty.
_CONSOLES = ("console=tty0", "console=ttyS0,115200n8")


def nvme_timeout(kernels: Iterable[Kernel]) -> str:
    """The parameter that keeps a slow EBS volume from being given up.

    EC2 User Guide, "NVMe I/O operation timeout": the module is nvme before Linux 4.6, and the most it takes is 255
    before 4.15. The oldest kernel decides, since all boot entries share one setting.
    """
    oldest = min((kernel.number for kernel in kernels), default=(6, 1))
    module = "nvme_core" if oldest >= (4, 6) else "nvme"
    return f"{module}.io_timeout={4294967295 if oldest >= (4, 15) else 255}"


def wanted(facts: GuestFacts) -> tuple[str, ...]:
    """What every boot entry must say besides its root."""
    return (*_CONSOLES, "net.ifnames=0", nvme_timeout(facts.kernels))


def on_ec2(words: list[str], facts: GuestFacts, *, root: bool) -> list[str]:
    """The words of a command line, changed for EC2. With `root`, `root=` is rewritten; without it is dropped.

    Raises `devices.Unmatched` when `root=` names nothing.
    """
    result = [*without_ours(words, facts, root=root), *wanted(facts)]
    same = sorted(result) == sorted(words) and _consoles(words) == _consoles(result)
    return words if same else result


def without_ours(words: list[str], facts: GuestFacts, *, root: bool = False) -> list[str]:
    """The words that stay: no console, no parameter that `wanted` sets, no device name that EC2 lacks."""
    ours = {word.partition("=")[0] for word in wanted(facts)} | {"biosdevname"}
    kept: list[str] = []
    for word in words:
        name, _, value = word.partition("=")
        if name in ours or (name == "resume" and not devices.is_known(value, facts)):
            continue  # a lost resume= would make the initramfs wait 30 s
        if name == "root" and devices.is_unstable(value):
            kept += [f"root={_root(value, facts)}"] if root else []
        elif name == "resume" and devices.is_unstable(value):
            kept.append(f"resume={devices.stable_name(value, facts)}")
        else:
            kept.append(word)
    return kept


def _root(value: str, facts: GuestFacts) -> str:
    found = devices.find(value, facts)
    if found.device != facts.root:
        raise devices.Unmatched(f"it leads to {found.device}, but the system lies on {facts.root}")
    return devices.stable_name(value, facts)


def _consoles(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("console=")]
