"""Whether a guest boots on EC2, and on which of its hypervisors: by the support matrix and the default kernel. Pure.

Nitro shows its volumes as NVMe devices and its network as ENA; without either driver the guest stands still or stays
unreachable. Xen shows emulated devices at the start only, then block and net front ends (EC2 User Guide, "Instances
built on the AWS Nitro System", "Xen-based instances"). Xen's machines have a BIOS alone ("Requirements to launch an
instance in UEFI boot mode").
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.guest import luks_at_boot
from runner.guest.facts import Firmware, GuestFacts, Hypervisor, Options
from runner.guest.refusals import (
    DriverMissing,
    GuestUnlisted,
    HypervisorUnfit,
    PartitionTableUnfit,
    RootUnsupported,
    WindowsUnlisted,
)
from runner.guest.support import row_of
from runner.guest.windows.volume_refusals import ReleaseUnfit
from schemas.guests import Boots, WindowsRow, matrix

_NEEDED: dict[Hypervisor, tuple[str, ...]] = {"nitro": ("nvme", "ena"), "xen": ("xen_blkfront", "xen_netfront")}
# Windows' loaders up to this kernel draw their screen by INT 10h, under UEFI too: they need a firmware with a
# compatibility module (CSM), which EC2's has not.
_LAST_WITH_INT10 = (6, 1)
_NO_INT10 = "its UEFI boot loader needs a BIOS beside it (INT 10h), which EC2's firmware has not"
HYPERVISORS: tuple[Hypervisor, ...] = ("nitro", "xen")


@dataclass(frozen=True)
class Fitness:
    """What one hypervisor's machines would make of the guest. `reason` is empty when it boots there."""

    hypervisor: Hypervisor
    reason: str

    @property
    def boots(self) -> bool:
        """Whether the guest's default kernel has what it needs there."""
        return not self.reason


def fitness(facts: GuestFacts, hypervisor: Hypervisor, firmware: Firmware) -> Fitness:
    """Whether the guest's default kernel (on Windows: the drivers there are for its release) boots on a hypervisor."""
    if (hypervisor, firmware) == ("xen", "uefi"):
        return Fitness(hypervisor, "the guest boots with UEFI, which its machines have not")
    if firmware == "uefi" and _needs_int10(facts):
        return Fitness(hypervisor, _NO_INT10)
    row = row_of(facts)
    if facts.os == "windows":
        told: Boots = getattr(row, hypervisor) if isinstance(row, WindowsRow) else "no"
        return Fitness(hypervisor, "" if told != "no" else f"there are no drivers for it ({facts.product})")
    kernel = facts.default_kernel
    if kernel is None:
        return Fitness(hypervisor, "no kernel was found")
    if hypervisor == "xen" and (asking := luks_at_boot.asking(facts)):
        typed = f"its start waits for the passphrase of {asking[0].mapping}"
        return Fitness(hypervisor, f"{typed}, and its machines have no serial console to type at")
    missing = [name for name in _NEEDED[hypervisor] if name not in (*kernel.loadable, *kernel.builtin)]
    without = f"its default kernel {kernel.version} has no {' and no '.join(missing)}"
    return Fitness(hypervisor, without if missing else "")


def _needs_int10(facts: GuestFacts) -> bool:
    return facts.registry is not None and facts.registry.release.version <= _LAST_WITH_INT10


def check(facts: GuestFacts, options: Options) -> None:
    """Raise the refusal that the matrix or the hypervisors have for a guest whose system was found.

    With `options.hypervisor` None either of them will do, so far as it has the firmware.
    """
    _check_row(facts, options)
    _check_layout(facts)
    if facts.registry and options.firmware == "uefi" and _needs_int10(facts):
        raise ReleaseUnfit(facts.product, facts.registry.release.build, _NO_INT10)
    asked = HYPERVISORS if options.firmware == "bios" else HYPERVISORS[:1]
    if options.hypervisor:
        asked = (options.hypervisor,)
    told = [fitness(facts, hypervisor, options.firmware) for hypervisor in asked]
    if any(one.boots for one in told):
        return
    kernel = facts.default_kernel
    if len(asked) > 1:
        missing = ", ".join(name for hypervisor in asked for name in _NEEDED[hypervisor])
        raise DriverMissing(facts.product, kernel.version if kernel else "none found", missing)
    raise HypervisorUnfit(facts.product, asked[0], told[0].reason)


def _check_row(facts: GuestFacts, options: Options) -> None:
    if row_of(facts) is not None:
        return
    if facts.os == "windows":  # never tried: drivers are made for the releases of the matrix
        told = facts.registry.release if facts.registry else None
        raise WindowsUnlisted(facts.product, told.build if told else 0, told.edition if told else "")
    if options.unlisted == "refuse":
        raise GuestUnlisted(facts.product, facts.distribution, facts.version)


def _check_layout(facts: GuestFacts) -> None:
    root = next((fs for fs in facts.file_systems if fs.device == facts.root), None)
    if facts.os != "linux" or root is None:
        return
    if root.type not in matrix().file_systems:
        raise RootUnsupported(root.device, root.type, ", ".join(matrix().file_systems))
    table = facts.tables[root.disk] if root.disk is not None and root.disk < len(facts.tables) else "dos"
    if table not in matrix().tables:
        raise PartitionTableUnfit(root.device, table or "none", ", ".join(matrix().tables))
