"""UEFI guests: the loader that is started where the firmware's boot entries are lost. Pure.

The entries live in the firmware of the old machine. Without them a firmware starts \\EFI\\BOOT\\BOOTX64.EFI (UEFI
specification 2.10, section 3.5.1.1), which most installers put there and some do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.boot.refusals import LoaderMissing
from runner.guest.edits import Copy, Step, Write
from runner.guest.facts import GuestFacts, Options

EFI = "/boot/efi/EFI"
# In each directory of a vendor, in any case: what is read, and what is only looked for.
READ = r"(?i)grub\.cfg|grub\.conf|menu\.lst|grubenv"
LOOKED_FOR = r"(?i).+\.(efi|csv)"
_TARGET = f"{EFI}/BOOT"
_LOADER = "bootx64.efi"
# (loader, what it starts from its own directory): shim has the name of its second stage built in, SUSE's another.
_LOADERS = (
    ("shimx64.efi", "grubx64.efi"),
    ("shim.efi", "grub.efi"),
    ("grubx64.efi", ""),
    ("grub.efi", ""),
    ("systemd-bootx64.efi", ""),
)
# shim asks it to enrol keys; not copied is fbx64.efi: shim would start it instead of GRUB, and it writes new boot
# entries from the vendor's BOOTX64.CSV and may restart the machine (shim, README.fallback).
_MOK_MANAGERS = ("mmx64.efi", "mokmanager.efi")
_VENDORS = {"rhel": "redhat", "ol": "redhat", "almalinux": "almalinux", "amzn": "amzn"}


def decide(facts: GuestFacts, options: Options) -> list[Step]:
    """The copies that a UEFI guest lacks. Raises `LoaderMissing` when there is nothing to copy."""
    if options.firmware != "uefi":
        return []
    files = _by_directory(facts)
    if _LOADER in files.get("boot", {}):
        return []
    for vendor in _vendors(facts, files):
        if steps := _copies(vendor, files[vendor], facts):
            return steps
    found = ", ".join(path for names in files.values() for path in names.values())
    raise LoaderMissing(facts.product, found or f"nothing in {EFI}")


def _by_directory(facts: GuestFacts) -> dict[str, dict[str, str]]:
    """The files by vendor and name, both in small letters: VFAT does not tell cases apart."""
    found: dict[str, dict[str, str]] = {}
    for path in (*facts.paths, *(file.path for file in facts.files)):
        parts = path.removeprefix(f"{EFI}/").split("/")
        if path.startswith(f"{EFI}/") and len(parts) == 2:
            found.setdefault(parts[0].lower(), {})[parts[1].lower()] = path
    return found


def _vendors(facts: GuestFacts, files: dict[str, dict[str, str]]) -> Sequence[str]:
    """The directories to copy from, the distribution's own first."""
    own = _VENDORS.get(facts.distribution, facts.distribution)
    return sorted((name for name in files if name != "boot"), key=lambda name: (name != own, name))


def _copies(vendor: str, names: dict[str, str], facts: GuestFacts) -> list[Step]:
    for loader, second in _LOADERS:
        if loader not in names or (second and second not in names):
            continue
        why = "firmware without boot entries starts this loader, and the entries stay behind on VMware"
        steps: list[Step] = [Copy(f"{_TARGET}/BOOTX64.EFI", names[loader], why)]
        beside = [name for name in (second, *_MOK_MANAGERS) if name in names] if second else []
        for name in beside:
            steps.append(Copy(f"{_TARGET}/{names[name].rpartition('/')[2]}", names[name], "shim starts it from here"))
        if "grub.cfg" in names:
            directory = names["grub.cfg"].rpartition("/")[0].removeprefix("/boot/efi")
            text = f"set prefix=($root){directory}\nconfigfile $prefix/grub.cfg\n"
            # GRUB of some vendors looks beside itself; a copy would grow old with the next kernel.
            steps.append(Write(f"{_TARGET}/grub.cfg", text, f"GRUB's configuration is in {directory}"))
        return steps
    return []
