"""Which LUKS volumes are opened, and which names they get: the guest's own, so far as they are names and free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.guest.facts import FileSystem, LuksVolume
from runner.guest.storage import luks
from runner.guest.storage.system import System
from tests.runner.guest.conftest import FACTS, ROOT

UUID = "3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09"
OTHER = "3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e0a"
MEMORY = "Not enough available memory to open a keyslot."
TEMPORARY = "/dev/mapper/hotadd-0"

# What comes to light when a volume is opened: LVM in the first, one of its volumes LUKS again.
INSIDE = {"/dev/sda1": (TEMPORARY, "/dev/vg/locked"), "/dev/vg/locked": ("/dev/mapper/hotadd-2",)}
BELOW = {"/dev/vg/locked": (TEMPORARY,), "/dev/mapper/hotadd-2": (TEMPORARY, "/dev/mapper/hotadd-2")}
TYPES = {**dict.fromkeys(("/dev/sda1", "/dev/sdb1", "/dev/vg/locked"), "crypto_LUKS"), TEMPORARY: "LVM2_member"}


class Volumes:
    """An appliance of which there is what these functions ask for; `crypttab` is the guest's."""

    def __init__(self, crypttab: str = "", taken: tuple[str, ...] = ()) -> None:
        self.crypttab, self.taken = crypttab, taken
        self.devices = ["/dev/sda1", "/dev/sdb1"]
        self.renamed: dict[str, str] = {}

    def unlock(self, device: str, keys: Sequence[str], name: str) -> str | None:
        if device == "/dev/sdb1":
            return MEMORY
        if "right" not in keys:
            return ""
        self.devices += INSIDE[device]
        return None

    def volumes(self) -> list[str]:
        return self.devices

    def mappings_below(self, device: str) -> tuple[str, ...]:
        return BELOW.get(device, (device,))

    def mapped_names(self) -> frozenset[str]:
        return frozenset(self.taken)

    def rename_mapping(self, name: str, to: str) -> None:
        self.renamed[name] = to

    def mount(self, device: str, point: str, *, read_only: bool, options: str) -> None:
        assert (device, point, read_only) == (TEMPORARY, "/", True)

    def unmount_all(self) -> None:
        pass

    def read(self, path: str) -> str | None:
        return {"/etc/crypttab": self.crypttab}.get(path)


def described(device: str) -> FileSystem:
    disk = 0 if device == "/dev/sda1" else 1 if device == "/dev/sdb1" else None
    return FileSystem(device, TYPES.get(device, "ext4"), UUID, "", "", disk, disk)


def test_what_lies_in_an_opened_volume_is_opened_too() -> None:
    first = tuple(map(described, ("/dev/sda1", "/dev/sdb1")))
    found, volumes = luks.unlock(Volumes(), first, ("wrong", "right"), described)  # type: ignore[arg-type]  # its methods
    assert [fs.device for fs in found] == ["/dev/sda1", "/dev/sdb1", *INSIDE["/dev/sda1"], *INSIDE["/dev/vg/locked"]]
    assert [(each.device, each.mapping, each.failed, each.holds) for each in volumes] == [
        ("/dev/sda1", TEMPORARY, "", (TEMPORARY, "/dev/vg/locked", "/dev/mapper/hotadd-2")),
        ("/dev/sdb1", "", MEMORY, ()),
        ("/dev/vg/locked", "/dev/mapper/hotadd-2", "", ("/dev/mapper/hotadd-2",)),
    ]


def test_keys_that_fit_nowhere_change_nothing() -> None:
    first = tuple(map(described, ("/dev/sda1", "/dev/sdb1")))
    found, volumes = luks.unlock(Volumes(), first, ("wrong",), described)  # type: ignore[arg-type]  # its methods
    locked = LuksVolume("/dev/sda1", UUID), LuksVolume("/dev/sdb1", UUID, failed=MEMORY)
    assert (found, volumes) == (first, locked)


@pytest.mark.parametrize(
    ("crypttab", "uuid", "name"),
    [
        ("sda1_crypt /dev/sda1 none luks\n", UUID, "sda1_crypt"),
        (f"root.0+a-b UUID={UUID} none luks\n", UUID, "root.0+a-b"),
        ("data /dev/sdb1 none luks\n", UUID, f"luks-{UUID}"),
        ("", UUID, f"luks-{UUID}"),
        ("", "../../sda", ""),
        # Whatever a guest calls it: no path, no word for a shell or a kernel line, no name of another volume.
        ("../sda1 /dev/sda1 none luks\n", UUID, ""),
        ("a/b /dev/sda1 none luks\n", UUID, ""),
        (".. /dev/sda1 none luks\n", UUID, ""),
        ("a;reboot /dev/sda1 none luks\n", UUID, ""),
        ("ü /dev/sda1 none luks\n", UUID, ""),
        (f"{'x' * 128} /dev/sda1 none luks\n", UUID, ""),
        ("vg-locked /dev/sda1 none luks\n", UUID, ""),
        ("control /dev/sda1 none luks\n", UUID, ""),
    ],
)
def test_it_gets_the_guests_own_name_where_that_is_one(crypttab: str, uuid: str, name: str) -> None:
    root = FileSystem(TEMPORARY, "ext4", ROOT, "", "")
    locked = FileSystem("/dev/sda1", "crypto_LUKS", UUID, "", "", 0, 1)
    data = FileSystem("/dev/sdb1", "crypto_LUKS", OTHER, "", "", 1, 1)
    volume = LuksVolume("/dev/sda1", uuid, TEMPORARY, "", (TEMPORARY,))
    facts = replace(FACTS, file_systems=(locked, data, root), luks=(volume,))
    appliance = Volumes(crypttab, ("hotadd-0", "vg-locked"))
    facts, found = luks.named_as_by_guest(appliance, facts, System("linux", root))  # type: ignore[arg-type]  # its methods
    device = f"/dev/mapper/{name}" if name else TEMPORARY
    assert appliance.renamed == ({"hotadd-0": name} if name else {})
    assert facts.luks == (replace(volume, mapping=device, holds=(device,)),)
    assert found.at.device == facts.file_systems[2].device == device
