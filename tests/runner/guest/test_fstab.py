"""fstab lines: (before, after). UUIDs are those of the guest in conftest.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest import fstab
from runner.guest.refusals import DeviceUnmatched

ROOT, DATA, SWAP = (f"UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e0{n}" for n in (1, 2, 3))

LINES = [
    ("/dev/sda1 / ext4 errors=remount-ro 0 1", f"{ROOT} / ext4 errors=remount-ro 0 1"),
    ("/dev/sdb1\t/srv/data\text4\tdefaults\t0\t2", f"{DATA}\t/srv/data\text4\tdefaults\t0\t2"),
    ("/dev/hda5 none swap sw 0 0", f"{SWAP} none swap sw 0 0"),
    ("/dev/vdb1 /srv ext4", f"{DATA} /srv ext4"),
    # by-path: VMware's second disk is SCSI target 1; the controller itself is target 7
    ("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1 /srv ext4 defaults 0 2", f"{DATA} /srv ext4 defaults 0 2"),
    # stable names stay as they are
    (f"{ROOT} / ext4 defaults 0 1", f"{ROOT} / ext4 defaults 0 1"),
    ("LABEL=data /srv ext4 defaults 0 2", "LABEL=data /srv ext4 defaults 0 2"),
    ("PARTUUID=5AD1E001-01 / ext4 defaults 0 1", "PARTUUID=5AD1E001-01 / ext4 defaults 0 1"),
    ("/dev/mapper/vg--one-lv /var xfs defaults 0 2", "/dev/mapper/vg--one-lv /var xfs defaults 0 2"),
    # nothing to mount any more: the guest must not wait for it
    ("/dev/sdc1 /mnt/usb vfat defaults 0 0", "/dev/sdc1 /mnt/usb vfat defaults,nofail 0 0"),
    ("/dev/sdc1 /mnt/usb vfat noauto,user 0 0", "/dev/sdc1 /mnt/usb vfat noauto,user 0 0"),
    ("UUID=11111111-2222-3333-4444-55 /x ext4 ro 0 2", "UUID=11111111-2222-3333-4444-55 /x ext4 ro,nofail 0 2"),
    ("/dev/sr0 /media/cdrom0 udf,iso9660 user 0 0", "/dev/sr0 /media/cdrom0 udf,iso9660 user,nofail 0 0"),
    ("/dev/fd0 /media/floppy0 auto rw,user,noauto 0 0", "/dev/fd0 /media/floppy0 auto rw,user,noauto 0 0"),
    ("/dev/disk/by-id/ata-VM-part1 /x ext4 ro 0 2", "/dev/disk/by-id/ata-VM-part1 /x ext4 ro,nofail 0 2"),
    ("LABEL=cloudimg-rootfs / ext4 defaults 0 1", "LABEL=cloudimg-rootfs / ext4 defaults 0 1"),
    # what the guest itself can do without
    ("UUID=11111111-2222-3333-4444-55 /home ext4 nofail 0 2", "UUID=11111111-2222-3333-4444-55 /home ext4 nofail 0 2"),
    ("UUID=1111-2222 /boot/efi vfat noauto 0 2", "UUID=1111-2222 /boot/efi vfat noauto 0 2"),
    ("UUID=1111-2222 /boot/efi vfat umask=0077 0 2", "UUID=1111-2222 /boot/efi vfat umask=0077,nofail 0 2"),
    # VMware's shared folders, of a host that EC2 is not
    ("vmhgfs-fuse /mnt/hgfs fuse allow_other 0 0", "vmhgfs-fuse /mnt/hgfs fuse allow_other,nofail 0 0"),
    # no device at all
    ("proc /proc proc defaults 0 0", "proc /proc proc defaults 0 0"),
    ("nas:/export /srv/nas nfs defaults 0 0", "nas:/export /srv/nas nfs defaults 0 0"),
    ("# /dev/sda1 / was on /dev/sda1 during installation", "# /dev/sda1 / was on /dev/sda1 during installation"),
]  # fmt: skip

REFUSED = [
    ("/dev/sdd1 /var ext4 defaults 0 2", "/dev/sdd1", "no partition 1 on disk 4"),
    ("/dev/sdb1 / ext4 defaults 0 1", "/dev/sdb1", "the system lies on /dev/sda1"),
    ("/dev/disk/by-id/ata-VMware_Virtual-part1 / ext4 ro 0 1", "/dev/disk/by-id/ata-VMware_Virtual-part1", "by an id"),
]


@pytest.mark.parametrize(
    "name",
    [
        *("/dev/sda@", "/dev/nvme@n1", "/dev/nvme0n@", "/dev/nvme0n1p@", "/dev/cciss/c@d0", "/dev/cciss/c0d0p@"),
        *("/dev/disk/by-id/ata-x-part@", "/dev/disk/by-path/pci-0-scsi-0:0:@:0", "/dev/disk/by-path/x-part@"),
    ],
)
@pytest.mark.parametrize("disks", [1, 2])
def test_numbers_without_an_end_are_the_names_of_nothing(name, disks, make_facts):
    line = name.replace("@", "9" * 5000) + " /srv ext4 defaults 0 2\n"
    (step,) = fstab.decide(make_facts({"/etc/fstab": line}, disks=disks))
    assert step.text == line.replace("defaults", "defaults,nofail")


@pytest.mark.parametrize(("before", "after"), LINES)
def test_lines(before, after, make_facts):
    steps = fstab.decide(make_facts({"/etc/fstab": f"# one\n{before}\n"}))
    assert [step.text for step in steps] == ([] if before == after else [f"# one\n{after}\n"])


@pytest.mark.parametrize(("line", "device", "reason"), REFUSED)
def test_a_system_mount_that_leads_nowhere_is_refused(line, device, reason, make_facts):
    with pytest.raises(DeviceUnmatched) as refusal:
        fstab.decide(make_facts({"/etc/fstab": f"# one\n\n{line}\n"}))
    assert (refusal.value.file, refusal.value.line, refusal.value.device) == ("/etc/fstab", 3, device)
    assert reason in refusal.value.reason


@pytest.mark.parametrize("point", ["/boot", "/boot/efi", "/usr", "/var", "/home"])
def test_each_mount_without_which_it_is_another_machine(point, make_facts):
    line = f"UUID=11111111-2222-3333-4444-55 {point} ext4 defaults 0 2"
    with pytest.raises(DeviceUnmatched):
        fstab.decide(make_facts({"/etc/fstab": f"{line}\n"}, firmwares=("bios", "uefi")))
    assert fstab.decide(make_facts({"/etc/fstab": f"{line.replace(point, point + 's')}\n"}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("defaults", "defaults,nofail,nobootwait"),
        ("nofail", "nofail,nobootwait"),
        ("nobootwait", "nobootwait,nofail"),
        ("nofail,nobootwait", None),
        ("noauto", None),
    ],
)
def test_upstarts_mountall_waits_unless_it_is_told_in_its_own_word(before, after, make_facts):
    """fstab(5) of Ubuntu 14.04: nobootwait; nofail it does not know."""
    line = "UUID=11111111-2222-3333-4444-55 /srv ext4 {} 0 2\n"
    steps = fstab.decide(make_facts({"/etc/fstab": line.format(before)}, paths=("/sbin/mountall",)))
    assert [step.text for step in steps] == ([] if after is None else [line.format(after)])


@pytest.mark.parametrize(
    ("stated", "found", "same"),
    [
        *(("auto", "xfs", True), ("none", "swap", True), ("xfs", "", True), ("xfs", "btrfs", False)),
        *(("ext2", "ext4", True), ("ext3", "ext2", True), ("ext4", "xfs", False), ("swap", "ext4", False)),
        *(("ntfs-3g", "ntfs", True), ("ntfs3", "ntfs", True), ("fuseblk", "ntfs", True), ("ntfs", "vfat", False)),
        *(("msdos", "vfat", True), ("vfat", "vfat", True), ("vfat", "ntfs", False)),
    ],
)
def test_a_controllers_name_is_believed_where_the_type_is_right(stated, found, same, make_facts):
    """The type that blkid prints beside what mount(8) takes for it."""
    facts = make_facts({"/etc/fstab": f"/dev/sdb1 /srv {stated} defaults 0 2\n"})
    systems = tuple(replace(fs, type=found) if fs.device == "/dev/sdb1" else fs for fs in facts.file_systems)
    (step,) = fstab.decide(replace(facts, file_systems=systems))
    assert step.text.startswith(DATA) is same


def test_one_disk_alone_is_meant_by_any_id(make_facts):
    name = "/dev/disk/by-id/scsi-36000c29f0c0ffee-part1"
    (step,) = fstab.decide(make_facts({"/etc/fstab": f"{name} / ext4 defaults 0 1\n"}, disks=1))
    assert step.text == f"{ROOT} / ext4 defaults 0 1\n"


def test_a_uuid_on_two_file_systems_is_refused(make_facts):
    facts = make_facts()
    twice = (*facts.file_systems, type(facts.file_systems[0])("/dev/sdc1", "ext4", ROOT[5:], "", "", 2, 1))
    with pytest.raises(DeviceUnmatched) as refusal:
        fstab.decide(make_facts(file_systems=twice))
    assert "2 file systems" in refusal.value.reason
