"""Which devices may hold file systems: all that lies in arrays, volume groups and opened LUKS volumes."""

from __future__ import annotations

from runner.guest.volumes import Volumes

TYPES = {
    **dict.fromkeys(("/dev/sda1", "/dev/sdb1"), "linux_raid_member"),
    **dict.fromkeys(("/dev/md127", "/dev/mapper/hotadd-0"), "LVM2_member"),
    "/dev/sdc": "crypto_LUKS",
}


class Handle:
    """libguestfs's handle with these partitions, disks, arrays and logical volumes."""

    def __init__(self, partitions: list[str], disks: list[str], arrays: list[str], logical: list[str]) -> None:
        self.list_partitions, self.list_devices = (lambda: partitions), (lambda: disks)
        self.list_md_devices, self.lvs = (lambda: arrays), (lambda: logical)

    def part_to_dev(self, partition: str) -> str:
        return partition.rstrip("0123456789")

    def blkid(self, device: str) -> dict[str, str]:
        return {"TYPE": TYPES[device]}


class Machine(Volumes):
    def __init__(self, handle: Handle, *mappings: str) -> None:
        self._g, self._mappings = handle, list(mappings)


def test_a_group_whose_only_volume_is_an_array() -> None:
    parts, disks = ["/dev/sda1", "/dev/sdb1"], ["/dev/sda", "/dev/sdb"]
    found = Machine(Handle(parts, disks, ["/dev/md127"], ["/dev/vg/root"])).volumes()
    assert found == [*parts, "/dev/md127", "/dev/vg/root"]


def test_a_group_whose_only_volume_lies_in_luks() -> None:
    handle = Handle([], ["/dev/sdc"], [], ["/dev/vg/root"])
    assert Machine(handle).volumes() == ["/dev/sdc"]
    assert Machine(handle, "hotadd-0").volumes() == ["/dev/sdc", "/dev/mapper/hotadd-0", "/dev/vg/root"]
