"""The family's decisions: which guests are taken, refused, left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest.edits import Aside, Rebuild, Write
from runner.guest.facts import Mount, Options
from runner.guest.families import table
from runner.guest.refusals import (
    DriverMissing,
    FamilyUnsupported,
    FirmwareMismatch,
    GuestUnknown,
    NetworkUnknown,
    NoSpace,
    OsMismatch,
    StaticNetwork,
)
from tests.runner.guest import simulation

DHCP, KEEP = Options("dhcp"), Options("keep")
STATIC = "auto eth0\niface eth0 inet static\n  address 192.168.10.20/24\n  gateway 192.168.10.1\n"
MODULES = "/etc/initramfs-tools/modules"
INTERFACES = "/etc/network/interfaces"
IMAGE = "/boot/initrd.img-6.1.0-50-amd64"


def written(decision, path):
    return [step.text for step in decision.steps if isinstance(step, Write) and step.path == path]


def test_a_guest_from_vmware_gets_drivers_uuids_console_and_dhcp(make_facts):
    decision = table.decide(make_facts({INTERFACES: STATIC}), DHCP)
    assert [step.path for step in decision.steps if isinstance(step, Write)] == [
        "/etc/fstab",
        INTERFACES,
        "/boot/grub/grub.cfg",
        "/etc/default/grub",
        MODULES,
    ]
    (rebuild,) = [step for step in decision.steps if isinstance(step, Rebuild)]
    assert rebuild.command == ("/usr/sbin/update-initramfs", "-c", "-t", "-k", "6.1.0-50-amd64")
    assert rebuild.modules == ("nvme", "nvme_core", "ena", "xen_blkfront", "xen_netfront")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {INTERFACES: STATIC, "/etc/udev/rules.d/70-persistent-net.rules": 'NAME="eth0"\n'},
        {"/etc/initramfs-tools/conf.d/driver-policy": "MODULES=dep\n"},
        {"/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/sda6\n"},
        {"/etc/initramfs-tools/modules": None, "/etc/default/grub": None},
    ],
)
def test_a_second_conversion_edits_nothing(files, make_facts):
    facts = make_facts(files)
    decision = table.decide(facts, DHCP)
    assert decision.steps
    assert table.decide(simulation.after(facts, decision.steps), DHCP).steps == ()


def test_builtin_and_absent_drivers_are_not_asked_for(make_facts):
    kernel = replace(make_facts().kernels[0], loadable=("ena",), builtin=("nvme", "nvme_core", "xen_blkfront"))
    decision = table.decide(make_facts(kernels=(kernel,)), DHCP)
    assert written(decision, MODULES) == ["# List of modules\nena\n"]
    assert [step.modules for step in decision.steps if isinstance(step, Rebuild)] == [("ena",)]


def test_every_kernel_is_rebuilt_with_what_it_has(make_facts):
    new = make_facts().kernels[0]
    old = replace(new, version="4.9.0-19-amd64", loadable=("nvme", "nvme_core"), initramfs="", packed_bytes=0)
    rebuilds = [s for s in table.decide(make_facts(kernels=(new, old)), DHCP).steps if isinstance(s, Rebuild)]
    assert [(r.kernel, r.command[-1], len(r.modules)) for r in rebuilds] == [
        ("6.1.0-50-amd64", "6.1.0-50-amd64", 5),
        ("4.9.0-19-amd64", "4.9.0-19-amd64", 2),
    ]
    assert rebuilds[1].initramfs == "/boot/initrd.img-4.9.0-19-amd64"


def test_modules_dep_becomes_most(make_facts):
    facts = make_facts({"/etc/initramfs-tools/conf.d/driver-policy": "MODULES=dep\n"})
    assert written(table.decide(facts, DHCP), "/etc/initramfs-tools/conf.d/zz-hotadd") == ["MODULES=most\n"]


def test_resume_from_a_lost_swap_is_dropped_without_a_copy_that_would_be_read(make_facts):
    path = "/etc/initramfs-tools/conf.d/resume"
    decision = table.decide(make_facts({path: "RESUME=/dev/sda6\n"}), DHCP)
    (step,) = [step for step in decision.steps if isinstance(step, Write) and step.path == path]
    assert (step.text, step.keep) == ("RESUME=none\n", False)
    assert (
        written(table.decide(make_facts({path: "RESUME=UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e03\n"}), DHCP), path)
        == []
    )


def test_resume_from_a_swap_by_its_kernel_name_finds_it_by_its_uuid(make_facts):
    # initramfs-tools, scripts/functions: resolve_device takes UUID= for RESUME, as for the root.
    path = "/etc/initramfs-tools/conf.d/resume"
    decision = table.decide(make_facts({path: "RESUME=/dev/sda5\n"}), DHCP)
    assert written(decision, path) == ["RESUME=UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e03\n"]


def test_persistent_net_rules_go_aside_and_their_generator_is_masked(make_facts):
    rule, generator = "/etc/udev/rules.d/70-persistent-net.rules", "/lib/udev/rules.d/75-persistent-net-generator.rules"
    facts = make_facts({rule: 'ATTR{address}=="00:50:56:9a:3c:11", NAME="eth0"\n'})
    facts = replace(facts, paths=(*facts.paths, generator))
    decision = table.decide(facts, DHCP)
    assert rule in [step.path for step in decision.steps if isinstance(step, Aside)]
    assert written(decision, "/etc/udev/rules.d/75-persistent-net-generator.rules") == [""]


def test_sysv_init_gets_a_serial_login(make_facts):
    paths = ("/usr/sbin/update-initramfs", "/sbin/dhclient")
    facts = make_facts({"/etc/inittab": "1:2345:respawn:/sbin/getty 38400 tty1\n"}, paths=paths)
    (text,) = written(table.decide(facts, DHCP), "/etc/inittab")
    assert text.splitlines()[1:] == ["T0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100"]


def test_keep_refuses_a_fixed_address_with_its_line(make_facts):
    with pytest.raises(StaticNetwork) as refusal:
        table.decide(make_facts({INTERFACES: "auto lo\n" + STATIC}), KEEP)
    assert (refusal.value.file, refusal.value.line, refusal.value.address) == (INTERFACES, 4, "192.168.10.20/24")


def test_keep_refuses_a_fixed_address_in_a_sourced_file(make_facts):
    files = {INTERFACES: "source /etc/network/interfaces.d/*\n", "/etc/network/interfaces.d/lan": STATIC}
    with pytest.raises(StaticNetwork) as refusal:
        table.decide(make_facts(files), KEEP)
    assert (refusal.value.file, refusal.value.line) == ("/etc/network/interfaces.d/lan", 3)


def test_keep_takes_dhcp_to_the_name_the_interface_has_on_ec2(make_facts):
    (text,) = written(table.decide(make_facts(), KEEP), INTERFACES)
    assert "iface eth0 inet dhcp" in text.splitlines()


REFUSALS = [
    ({"os": "unknown"}, {}, GuestUnknown),
    ({"os": "windows"}, {}, OsMismatch),
    ({"paths": ("/sbin/dhclient",)}, {}, FamilyUnsupported),
    ({"firmwares": ("uefi",)}, {}, FirmwareMismatch),
    ({"paths": ("/usr/sbin/update-initramfs",)}, {}, NetworkUnknown),
    ({}, {"/etc/network/interfaces": None}, NetworkUnknown),
    ({"kernels": ()}, {}, DriverMissing),
    ({"mounts": (Mount("/", "/dev/sda1", 2**19, 2**31),)}, {}, NoSpace),
]


@pytest.mark.parametrize(("fields", "files", "refusal"), REFUSALS)
def test_refusals(fields, files, refusal, make_facts):
    with pytest.raises(refusal):
        table.decide(make_facts(files, **fields), Options("dhcp", os="linux"))


def test_a_full_boot_partition_is_refused_with_the_numbers(make_facts):
    mounts = (Mount("/", "/dev/sda1", 2**30, 2**31), Mount("/boot", "/dev/sda2", 10_000_000, 2**28))
    with pytest.raises(NoSpace) as refusal:
        table.decide(make_facts(mounts=mounts), DHCP)
    assert (refusal.value.mount, refusal.value.free) == ("/boot", 10_000_000)
    assert refusal.value.needed > 6_000_000  # a second initramfs beside the first


def test_the_default_kernels_old_initramfs_is_kept_where_there_is_room(make_facts):
    def kept(free, files=None):
        kernels = tuple(replace(k, default=True) for k in make_facts().kernels)
        mounts = (Mount("/", "/dev/sda1", 2**30, 2**31), Mount("/boot", "/dev/sda2", free, 2**28))
        steps = table.decide(make_facts(files, kernels=kernels, mounts=mounts), DHCP).steps
        return [step.keep for step in steps if isinstance(step, Rebuild)]

    assert (kept(2**27), kept(2**24)) == ([True], [True])
    with pytest.raises(NoSpace):  # an image of all drivers is several times as large as one for a single machine
        kept(2**24, {"/etc/initramfs-tools/conf.d/driver-policy": "MODULES=dep\n"})


def test_a_loader_for_uefi_needs_room_on_its_partition(make_facts):
    paths = (*make_facts().paths, "/boot/efi/EFI/debian/grubx64.efi")
    mounts = (Mount("/", "/dev/sda1", 2**30, 2**31), Mount("/boot/efi", "/dev/sda2", 2**20, 2**28))
    with pytest.raises(NoSpace) as refusal:
        table.decide(make_facts(paths=paths, mounts=mounts, firmwares=("uefi",)), Options("dhcp", firmware="uefi"))
    assert refusal.value.mount == "/boot/efi"


def test_a_complete_initramfs_is_rebuilt_when_a_setting_changes_and_only_then(make_facts):
    kernel = replace(make_facts().kernels[0], packed=make_facts().kernels[0].loadable)
    done = {MODULES: "nvme\nnvme-core\nena\nxen-blkfront\nxen-netfront\n"}
    resume = {"/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/sda6\n"}
    for files, rebuilds in ((done, 0), ({**done, **resume}, 1)):
        steps = table.decide(make_facts(files, kernels=(kernel,)), DHCP).steps
        assert len([step for step in steps if isinstance(step, Rebuild)]) == rebuilds
