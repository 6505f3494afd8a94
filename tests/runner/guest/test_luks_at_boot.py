"""Guests whose LUKS volumes were opened with a key: what becomes of their tables, kernel lines and verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.guest import fstab, inspection, luks_at_boot, verdict
from runner.guest.boot.kernel_line import changed
from runner.guest.boot.refusals import BootEncrypted, ToolMissing, UnlockingUnknown
from runner.guest.edits import Note, Rebuild, Write
from runner.guest.facts import FileSystem, GuestFacts, LuksVolume, Mount, Options
from runner.guest.families import table
from runner.guest.refusals import EncryptedSystem, HypervisorUnfit, revive, values_of
from tests.runner.guest.conftest import ALL, FACTS, ROOT, MakeFacts

LUKS = "3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09"
BOOT = "3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e0a"
NAME = "/dev/mapper/sda2_crypt"
VOLUME = LuksVolume("/dev/sda2", LUKS, NAME, "", (NAME,))
FILES = {
    "/etc/fstab": f"{NAME} / ext4 defaults 0 1\n/dev/sda1 /boot ext4 defaults 0 2\n",
    "/etc/crypttab": "sda2_crypt /dev/sda2 none luks,discard\n",
    "/boot/grub/grub.cfg": f"\tlinux\t/vmlinuz-6.1.0-50-amd64 root={NAME} ro  quiet\n",
}

Locked = Callable[..., GuestFacts]


@pytest.fixture
def locked(make_facts: MakeFacts) -> Locked:
    """The guest with /boot on the first partition and its root in LUKS on the second; names replace fields."""

    def make(
        files: dict[str, str | None] | None = None, *, volume: LuksVolume = VOLUME, **fields: object
    ) -> GuestFacts:
        root = volume.holds[-1] if volume.holds else ""
        file_systems = (
            FileSystem("/dev/sda1", "ext4", BOOT, "", "5ad1e001-01", 0, 1),
            FileSystem("/dev/sda2", "crypto_LUKS", LUKS, "", "5ad1e001-02", 0, 2),
            *(FileSystem(device, "ext4", ROOT, "", "") for device in volume.holds),
        )
        mounts = Mount("/", root, 2**30, 2**31), Mount("/boot", "/dev/sda1", 2**29, 2**30)
        made = {
            "root": root,
            "disks": 1,
            "file_systems": file_systems,
            "mounts": mounts,
            "luks": (volume,),
            "keys": 1,
            "paths": (*FACTS.paths, luks_at_boot.HOOK),
        }
        return make_facts({**FILES, **(files or {})}, **{**made, **fields})

    return make


def dracut(facts: GuestFacts) -> GuestFacts:
    """The same made by dracut."""
    return replace(facts, paths=("/usr/bin/dracut", "/usr/bin/lsinitrd", "/lib/systemd/systemd", "/sbin/dhclient"))


def test_an_opened_system_is_converted(locked: Locked) -> None:
    facts = locked()
    steps = table.decide(facts, Options("dhcp", hypervisor="nitro")).steps
    texts = {step.path: step.text for step in steps if isinstance(step, Write)}
    assert texts["/etc/fstab"] == f"{NAME} / ext4 defaults 0 1\nUUID={BOOT} /boot ext4 defaults 0 2\n"
    assert texts["/etc/crypttab"] == f"sda2_crypt\tUUID={LUKS}\tnone\tluks,discard\n"
    assert f" root={NAME} ro quiet console=tty0 " in texts["/boot/grub/grub.cfg"]
    assert "rd.luks" not in texts["/boot/grub/grub.cfg"], "initramfs-tools reads no rd.luks"
    (rebuild,) = [step for step in steps if isinstance(step, Rebuild)]
    assert (rebuild.modules, rebuild.unlocks) == (
        ("nvme", "nvme_core", "ena", "xen_blkfront", "xen_netfront"),
        ("sda2_crypt",),
    )
    (note,) = [step for step in steps if isinstance(step, Note)]
    assert note.path == "/etc/crypttab"
    assert all(word in note.why for word in (NAME, "passphrase", "EC2 serial console", "Nitro", "drill"))


def test_what_was_converted_is_left_as_it_is(locked: Locked) -> None:
    facts = locked()
    facts = replace(facts, kernels=(replace(facts.kernels[0], packed=ALL),))
    texts = {s.path: s.text for s in table.decide(facts, Options("dhcp")).steps if isinstance(s, Write)}
    files = tuple(replace(file, text=texts.get(file.path, file.text)) for file in facts.files)
    again = replace(facts, files=(*files, *(type(files[0])(p, t) for p, t in texts.items() if facts.text(p) is None)))
    assert all(isinstance(step, Note) for step in table.decide(again, Options("dhcp")).steps)


@pytest.mark.parametrize(
    ("crypttab", "before", "added"),
    [
        ("sda2_crypt UUID={uuid} none luks", "", "rd.luks.name={uuid}=sda2_crypt"),
        # The name comes from crypttab alone, which dracut's image for every machine has not.
        ("sda2_crypt UUID={uuid} none luks", " rd.luks.uuid=luks-{uuid}", "rd.luks.name={uuid}=sda2_crypt"),
        ("sda2_crypt UUID={uuid} none luks", " rd.luks.name={uuid}=sda2_crypt", ""),
        ("luks-{uuid} UUID={uuid} none", "", "rd.luks.uuid=luks-{uuid}"),
        ("luks-{uuid} UUID={uuid} none", " rd.luks.uuid={uuid}", ""),
        ("luks-{uuid} UUID={uuid} none", " rd.luks.uuid=luks-{uuid}", ""),
        ("", "", "rd.luks.uuid=luks-{uuid}"),
    ],
)
def test_dracut_is_told_by_the_kernel_line(locked: Locked, crypttab: str, before: str, added: str) -> None:
    name = "/dev/mapper/sda2_crypt" if "sda2_crypt" in crypttab else f"/dev/mapper/luks-{LUKS}"
    volume = replace(VOLUME, mapping=name, holds=(name, "/dev/vg00/root"))
    facts = dracut(locked({"/etc/crypttab": crypttab.format(uuid=LUKS)}, volume=volume))
    words = f"root=/dev/mapper/vg00-root ro{before}".format(uuid=LUKS).split()
    line = changed(words, facts)
    lacking = [word for word in line.words if word.startswith("rd.luks.") and word not in words]
    assert lacking == ([added.format(uuid=LUKS)] if added else [])
    assert changed(line.words, facts).words == line.words
    luks_at_boot.check(facts, dracut=True)


def test_a_root_in_red_hats_luks_is_converted(locked: Locked) -> None:
    name = f"/dev/mapper/luks-{LUKS}"
    files = {
        "/etc/fstab": f"{name} / ext4 defaults 0 1\n/dev/disk/by-id/dm-name-luks-{LUKS} /opt ext4 defaults 0 0\n",
        "/etc/crypttab": f"luks-{LUKS} UUID={LUKS} none discard\n",
        "/boot/grub/grub.cfg": f"\tlinux\t/vmlinuz-6.1.0-50-amd64 root={name} ro rd.luks.uuid=luks-{LUKS}\n",
    }
    facts = dracut(locked(files, volume=replace(VOLUME, mapping=name, holds=(name,))))
    steps = table.decide(facts, Options("dhcp")).steps
    (rebuild,) = [step for step in steps if isinstance(step, Rebuild)]
    assert rebuild.unlocks == (f"luks-{LUKS}",)
    assert "/etc/fstab" not in {step.path for step in steps if isinstance(step, Write)}


def test_old_dracut_asks_for_all_by_itself(locked: Locked) -> None:
    facts = dracut(locked())
    assert luks_at_boot.words((), facts)
    assert luks_at_boot.words((), replace(facts, paths=(*facts.paths, "/usr/share/dracut/dracut-functions"))) == ()


@pytest.mark.parametrize(
    "crypttab",
    [
        None,
        "other_crypt /dev/sdb9 none luks\n",
        # The probe opens no volume under a name that is taken, or none at all: the mapping has another one.
        "../sda2 /dev/sda2 none luks\n",
        "vg00-root /dev/sda2 none luks\n",
    ],
)
def test_a_volume_that_the_initramfs_would_not_unlock_is_refused(locked: Locked, crypttab: str | None) -> None:
    with pytest.raises(UnlockingUnknown) as refusal:
        table.decide(locked({"/etc/crypttab": crypttab}), Options("dhcp"))
    assert refusal.value.device == "/dev/sda2" and f"UUID={LUKS} none luks" in refusal.value.hint
    assert isinstance(revive("UnlockingUnknown", values_of(refusal.value)), UnlockingUnknown)


def test_a_header_whose_uuid_is_other_text_reaches_no_kernel_line(locked: Locked) -> None:
    volume = replace(VOLUME, uuid="x init=/bin/sh")
    with pytest.raises(UnlockingUnknown):
        table.decide(dracut(locked(volume=volume)), Options("dhcp"))


def test_cryptsetup_initramfs_must_be_there(locked: Locked) -> None:
    with pytest.raises(ToolMissing, match="cryptsetup-initramfs"):
        table.decide(locked(paths=FACTS.paths), Options("dhcp"))


def test_a_boot_loader_that_would_ask_is_refused(locked: Locked) -> None:
    with pytest.raises(BootEncrypted) as refusal:
        table.decide(locked(mounts=(Mount("/", NAME, 2**30, 2**31),)), Options("dhcp"))
    assert refusal.value.device == "/dev/sda2"


@pytest.mark.parametrize(
    ("key", "pattern", "asks"),
    [
        ("none", "", True),
        ("/etc/keys/root.key", "", True),
        ("/etc/keys/root.key", 'KEYFILE_PATTERN="/etc/keys/*.key"\n', False),
        ("/etc/keys/root.key", "#KEYFILE_PATTERN=/etc/keys/*.key\n", True),
        ("/etc/other/root.key", "KEYFILE_PATTERN=/etc/keys/*.key\n", True),
        ("none", "KEYFILE_PATTERN=*\n", True),
    ],
)
def test_a_key_in_the_initramfs_spares_the_passphrase(locked: Locked, key: str, pattern: str, asks: bool) -> None:
    facts = locked(
        {"/etc/crypttab": f"sda2_crypt /dev/sda2 {key} luks\n", "/etc/cryptsetup-initramfs/conf-hook": pattern}
    )
    assert bool(luks_at_boot.asking(facts)) == asks
    assert verdict.fitness(facts, "xen", "bios").boots != asks, "Xen's machines have no serial console"
    assert verdict.fitness(facts, "nitro", "bios").boots
    assert len(luks_at_boot.asking(dracut(facts))) == 1, "dracut's image for every machine has no key"


def test_xen_is_refused_and_the_inspection_tells_what_awaits_an_operator(locked: Locked) -> None:
    facts = locked()
    with pytest.raises(HypervisorUnfit, match="passphrase"):
        table.decide(facts, Options("dhcp", hypervisor="xen"))
    told = inspection.describe(facts, ())
    assert told.supported and told.encryption == (f"LUKS (/dev/sda2, opened as {NAME})",)
    assert any("EC2 serial console" in advice and NAME in advice for advice in told.advice)


@pytest.mark.parametrize(
    ("key", "options", "asks"),
    [("none", "luks", True), ("none", "luks,nofail", False), ("none", "noauto", False), ("/etc/keys/d", "luks", False)],
)
def test_a_volume_beside_the_system_asks_where_it_has_no_key(
    locked: Locked, key: str, options: str, asks: bool
) -> None:
    facts = locked(
        {"/etc/crypttab": f"sda2_crypt /dev/sda2 {key} {options}\n"},
        root="/dev/sda1",
        mounts=(Mount("/", "/dev/sda1", 2**30, 2**31),),
    )
    assert bool(luks_at_boot.asking(facts)) == asks
    assert luks_at_boot.in_initramfs(facts) == ()


def test_every_disk_of_a_btrfs_root_is_unlocked(locked: Locked) -> None:
    other = LuksVolume("/dev/sdb1", BOOT, "/dev/mapper/two", "", ("/dev/mapper/two",))
    facts = locked()
    file_systems = [replace(fs, type="btrfs") if fs.device == NAME else fs for fs in facts.file_systems]
    file_systems.append(FileSystem("/dev/mapper/two", "btrfs", ROOT, "", ""))
    facts = replace(facts, luks=(VOLUME, other), file_systems=tuple(file_systems))
    assert luks_at_boot.names(facts) == ("sda2_crypt", "two")
    words = ["root=/dev/mapper/two", "ro", f"rd.luks.name={LUKS}=sda2_crypt"]
    line = changed(words, dracut(replace(facts, root="/dev/mapper/two")))
    assert [word for word in line.words if word.startswith("rd.luks.")] == [words[2], f"rd.luks.name={BOOT}=two"]


@pytest.mark.parametrize(
    ("keys", "failed", "sentence", "hint"),
    [
        (0, "", "hotadd has no key", "luks_keys: [FILE]"),
        (2, "", "none of the 2 keys given opens it", "--test-passphrase"),
        (1, "Not enough available memory to open a keyslot.", "Not enough available memory", "4 GiB of memory"),
    ],
)
def test_a_locked_system_is_refused_with_what_to_do(
    locked: Locked, keys: int, failed: str, sentence: str, hint: str
) -> None:
    shut = replace(VOLUME, mapping="", failed=failed, holds=())
    facts = locked(volume=shut, keys=keys, luks=(shut,) if keys else (), mounts=())
    with pytest.raises(EncryptedSystem) as refusal:
        table.decide(replace(facts, os="unknown"), Options("dhcp"))
    assert sentence in refusal.value.sentence and hint in refusal.value.hint
    again = revive("EncryptedSystem", values_of(refusal.value))
    assert str(again) == str(refusal.value)
    # The same by fstab, when another part of the system lies there.
    home = {"/etc/fstab": f"/dev/sda1 / ext4 defaults 0 1\n{NAME} /home ext4 defaults 0 2\n"}
    found = locked(home, volume=shut, keys=keys, luks=(shut,) if keys else (), root="/dev/sda1")
    with pytest.raises(EncryptedSystem) as refusal:
        fstab.decide(found)
    assert (refusal.value.mount, refusal.value.keys, refusal.value.failed) == ("/home", keys, failed)
