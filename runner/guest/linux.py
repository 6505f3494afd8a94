"""What every Linux guest needs on EC2, whatever makes its initramfs: names, network, services, policy. Pure.

Each decider looks at its own files and knows nothing of the others; a family adds drivers and boot loader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.guest import crypttab, fstab, luks_at_boot, serial_login
from runner.guest.edits import Note, Rebuild, Step
from runner.guest.facts import GuestFacts, Options
from runner.guest.names import blkid, lvm, md, mount_units, multipath, udev_rules
from runner.guest.network import table as network
from runner.guest.services import cloudinit, firewall, selinux, vmware_tools

# Files of which an initramfs holds a copy; see `changes_initramfs`.
_COPIED = re.compile(r"/etc/(crypttab|lvm/.+|mdadm(\.conf|/.+)|multipath(\.conf|/.+)|systemd/network/.+\.link)")

FILES = (
    fstab.PATH,
    crypttab.PATH,
    *luks_at_boot.FILES,
    *lvm.FILES,
    *md.FILES,
    *multipath.FILES,
    *serial_login.FILES,
    *network.FILES,
    *cloudinit.FILES,
    *firewall.FILES,
    *selinux.FILES,
    *vmware_tools.FILES,
)
DIRECTORIES = (
    *mount_units.DIRECTORIES,
    *udev_rules.DIRECTORIES,
    *network.DIRECTORIES,
    *firewall.DIRECTORIES,
    *vmware_tools.DIRECTORIES,
)
PATHS = (
    *fstab.PATHS,
    *luks_at_boot.PATHS,
    *blkid.PATHS,
    *lvm.PATHS,
    *serial_login.PATHS,
    *network.PATHS,
    *cloudinit.PATHS,
    *selinux.PATHS,
    *vmware_tools.PATHS,
)
LINKS = vmware_tools.LINKS


def decide(facts: GuestFacts, options: Options) -> list[Step]:
    """The steps; on a guest that was converted before nothing but notes. Raises the refusal that applies."""
    on_dhcp = network.decide(facts, options.network)
    return [
        *fstab.decide(facts),
        *mount_units.decide(facts),
        *crypttab.decide(facts),
        *luks_at_boot.decide(facts),
        *lvm.decide(facts),
        *md.decide(facts),
        *multipath.decide(facts),
        *blkid.decide(facts),
        *udev_rules.decide(facts),
        *on_dhcp,
        *serial_login.decide(facts),
        *cloudinit.decide(facts, options.cloud_init),
        *vmware_tools.decide(facts),
        *firewall.zones(facts, on_dhcp),
        *firewall.decide(facts),
    ]


def changes_initramfs(steps: Sequence[Step]) -> bool:
    """Whether a step changes a file of which the initramfs holds a copy, so that a rebuild is due."""
    return any(_COPIED.fullmatch(step.path) for step in steps if not isinstance(step, Rebuild | Note))
