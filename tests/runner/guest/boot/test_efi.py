"""The loader that firmware starts without boot entries: shim's README.fallback tells what it needs beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.guest.boot import efi
from runner.guest.boot.refusals import LoaderMissing
from runner.guest.edits import Copy, Write
from runner.guest.facts import Options, TextFile

UEFI = Options("dhcp", firmware="uefi")
BOOT = "/boot/efi/EFI/BOOT"
UBUNTU = "/boot/efi/EFI/ubuntu"
SLES = "/boot/efi/EFI/sles"
DEBIAN = "/boot/efi/EFI/debian"

# (distribution, what is on the ESP, what is copied where)
CASES: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
    (
        "ubuntu",  # shim-signed and grub-efi-amd64-signed put these there (packages' file lists)
        tuple(f"{UBUNTU}/{name}" for name in ("BOOTX64.CSV", "grubx64.efi", "mmx64.efi", "shimx64.efi", "fbx64.efi")),
        {
            f"{BOOT}/BOOTX64.EFI": f"{UBUNTU}/shimx64.efi",
            f"{BOOT}/grubx64.efi": f"{UBUNTU}/grubx64.efi",
            f"{BOOT}/mmx64.efi": f"{UBUNTU}/mmx64.efi",
        },
    ),
    (
        "sles",  # SUSE's shim starts grub.efi
        tuple(f"{SLES}/{name}" for name in ("MokManager.efi", "boot.csv", "grub.efi", "shim.efi")),
        {
            f"{BOOT}/BOOTX64.EFI": f"{SLES}/shim.efi",
            f"{BOOT}/grub.efi": f"{SLES}/grub.efi",
            f"{BOOT}/MokManager.efi": f"{SLES}/MokManager.efi",
        },
    ),
    ("debian", (f"{DEBIAN}/GRUBX64.EFI",), {f"{BOOT}/BOOTX64.EFI": f"{DEBIAN}/GRUBX64.EFI"}),
    # A shim without its second stage starts nothing; the machine's own system goes before another one's.
    (
        "debian",
        (f"{UBUNTU}/shimx64.efi", f"{UBUNTU}/grubx64.efi", f"{DEBIAN}/shimx64.efi", f"{DEBIAN}/grubx64.efi"),
        {f"{BOOT}/BOOTX64.EFI": f"{DEBIAN}/shimx64.efi", f"{BOOT}/grubx64.efi": f"{DEBIAN}/grubx64.efi"},
    ),
    (
        "rhel",
        (f"{DEBIAN}/grubx64.efi", "/boot/efi/EFI/redhat/grubx64.efi", "/boot/efi/EFI/redhat/shim.efi"),
        {f"{BOOT}/BOOTX64.EFI": "/boot/efi/EFI/redhat/grubx64.efi"},
    ),
    ("debian", ("/boot/efi/EFI/Boot/bootx64.efi", f"{DEBIAN}/grubx64.efi"), {}),
]


@pytest.mark.parametrize(("distribution", "paths", "copies"), CASES)
def test_what_is_copied(distribution: str, paths: tuple[str, ...], copies: dict[str, str], make_facts: Any) -> None:
    facts = make_facts(distribution=distribution, paths=paths)
    steps = efi.decide(facts, UEFI)
    assert {step.path: step.source for step in steps if isinstance(step, Copy)} == copies
    assert len(steps) == len(copies)
    assert efi.decide(replace(facts, paths=(*paths, *copies)), UEFI) == []


def test_a_configuration_beside_the_loader_points_to_the_vendors(make_facts: Any) -> None:
    facts = make_facts({f"{DEBIAN}/grub.cfg": "search.fs_uuid 1 root\n"}, paths=(f"{DEBIAN}/grubx64.efi",))
    (written,) = [step for step in efi.decide(facts, UEFI) if isinstance(step, Write)]
    assert (written.path, written.text.splitlines()[-1]) == (f"{BOOT}/grub.cfg", "configfile $prefix/grub.cfg")
    assert "set prefix=($root)/EFI/debian\n" in written.text


def test_a_bios_replica_needs_none(make_facts: Any) -> None:
    assert efi.decide(make_facts(), Options("dhcp", firmware="bios")) == []


@pytest.mark.parametrize(
    "paths", [(), ("/boot/efi/EFI/Microsoft/bootmgfw.efi",), (f"{UBUNTU}/shimx64.efi",), (f"{BOOT}/fbx64.efi",)]
)
def test_nothing_to_start_is_refused_with_what_was_found(paths: tuple[str, ...], make_facts: Any) -> None:
    facts = replace(make_facts(), paths=paths, files=(TextFile("/etc/fstab", ""),))
    with pytest.raises(LoaderMissing) as refusal:
        efi.decide(facts, UEFI)
    assert refusal.value.found == (", ".join(paths) or "nothing in /boot/efi/EFI")
