"""LUKS volumes of the guest that were opened with a key here: whether, and how, the guest opens them on EC2. Pure.

A passphrase is typed at EC2's serial console, which Nitro's types alone have (EC2 User Guide, "Prerequisites for the
EC2 Serial Console").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from runner.guest import crypttab
from runner.guest.boot.refusals import BootEncrypted, ToolMissing, UnlockingUnknown
from runner.guest.edits import Note
from runner.guest.facts import GuestFacts, LuksVolume
from runner.guest.families.drivers import DRACUT, OLD_DRACUT

# The package cryptsetup-initramfs; before Debian 10 and Ubuntu 18.10 the package cryptsetup.
HOOK = "/usr/share/initramfs-tools/hooks/cryptroot"
# Its setting for keys that the initramfs gets a copy of, a shell pattern for their paths.
_HOOK_CONFIG = "/etc/cryptsetup-initramfs/conf-hook"
_KEY_PATTERN = re.compile(r"^[ \t]*(?:export[ \t]+)?KEYFILE_PATTERN=([\"']?)([^\"'\n]*)\1[ \t]*$", re.MULTILINE)
_IN_INITRAMFS = ("/", "/usr")  # mounted before the guest's own init runs
_NO_KEY = ("", "none", "-")
# The header has room for any text, which is not for a command line.
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

FILES = (_HOOK_CONFIG,)
PATHS = (HOOK,)


def decide(facts: GuestFacts) -> list[Note]:
    """What an operator must know. Raises `BootEncrypted` where the boot loader itself would ask."""
    opened = [volume for volume in facts.luks if volume.mapping]
    boot = facts.mount_of("/boot").device if opened else ""
    if locked := next((volume for volume in opened if boot in volume.holds), None):
        raise BootEncrypted(locked.device)
    return [Note(crypttab.PATH, _advice(volume)) for volume in asking(facts)]


def told(facts: GuestFacts) -> tuple[str, ...]:
    """The same as sentences."""
    return tuple(f"On EC2 {_advice(volume)}." for volume in asking(facts))


def _advice(volume: LuksVolume) -> str:
    return (
        f"every start waits for the passphrase of {volume.mapping}: type it at the EC2 serial console, which Nitro's "
        "instance types have. No status check and no check of a drill passes before"
    )


def asking(facts: GuestFacts) -> tuple[LuksVolume, ...]:
    """The opened volumes for which the guest asks for a passphrase when it starts.

    A key file serves a volume of the system only where initramfs-tools puts a copy of it into the initramfs.
    """
    found, early = [], in_initramfs(facts)
    table = crypttab.by_device(facts)
    for volume in facts.luks:
        if not volume.mapping or (volume not in early and volume.device not in table):
            continue
        _, _, key, options = (*table.get(volume.device, ()), "", "", "", "")[:4]
        if volume in early:
            asks = key in _NO_KEY or HOOK not in facts.paths or not fnmatchcase(key, _pattern(facts))
        else:
            asks = key in _NO_KEY and not {"nofail", "noauto"} & set(options.split(","))
        if asks:
            found.append(volume)
    return tuple(found)


def in_initramfs(facts: GuestFacts) -> tuple[LuksVolume, ...]:
    """The volumes that the initramfs must unlock: those that hold the root, or /usr."""
    needed = {mount.device for mount in facts.mounts if mount.point in _IN_INITRAMFS}
    # A Btrfs has several devices, of which the mount names one.
    uuids = {fs.uuid for fs in facts.file_systems if fs.device in needed and fs.type == "btrfs"}
    needed |= {fs.device for fs in facts.file_systems if fs.type == "btrfs" and fs.uuid in uuids}
    return tuple(volume for volume in facts.luks if volume.mapping and needed & set(volume.holds))


def names(facts: GuestFacts) -> tuple[str, ...]:
    """The names under /dev/mapper of `in_initramfs`."""
    return tuple(_name(volume) for volume in in_initramfs(facts))


def check(facts: GuestFacts, *, dracut: bool) -> None:
    """Raise `ToolMissing` or `UnlockingUnknown` where the guest's tool would make an image that unlocks not all.

    dracut's needs no crypttab: systemd's generator then calls a volume luks-UUID.
    """
    table = crypttab.by_device(facts)
    for volume in in_initramfs(facts):
        if not dracut and HOOK not in facts.paths:
            raise ToolMissing(facts.product, "cryptsetup-initramfs")
        default = (f"luks-{volume.uuid}",) if dracut else ("",)
        if table.get(volume.device, default)[0] != _name(volume) or not UUID.fullmatch(volume.uuid):
            raise UnlockingUnknown(volume.device, volume.uuid)


def words(stated: Iterable[str], facts: GuestFacts) -> tuple[str, ...]:
    """What dracut must be told on a kernel's command line besides `stated` to unlock the volumes: dracut.cmdline(7).

    Its image for every machine has no crypttab, so the name comes from here (systemd-cryptsetup-generator(8)). RHEL 6's
    unlocks all that it finds, and has the crypttab.
    """
    if OLD_DRACUT in facts.paths or not any(tool in facts.paths for tool in DRACUT):
        return ()
    said = tuple(stated)
    lacking = []
    for volume in in_initramfs(facts):
        default = f"luks-{volume.uuid}"
        named = f"rd.luks.name={volume.uuid}={_name(volume)}"
        ways = (
            (named,) if _name(volume) != default else (f"rd.luks.uuid={default}", f"rd.luks.uuid={volume.uuid}", named)
        )
        if not any(way in said for way in ways):
            lacking.append(ways[0])
    return tuple(lacking)


def _name(volume: LuksVolume) -> str:
    return volume.mapping.removeprefix("/dev/mapper/")


def _pattern(facts: GuestFacts) -> str:
    found = _KEY_PATTERN.findall(facts.text(_HOOK_CONFIG) or "")
    return found[-1][1] if found else ""
