"""The dracut family's decisions. Options from dracut(8) and dracut.conf(5) of versions 004, 033, 049, 057 and 059."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from runner.guest.edits import Decision, Note, Rebuild, Write
from runner.guest.facts import GuestFacts, Kernel, Mount, Options, TextFile
from runner.guest.families import dracut, room, table
from runner.guest.refusals import NoSpace

DHCP = Options("dhcp", unlisted="try")
MIB = 1024 * 1024
ALL = ("ena", "nvme", "nvme_core", "xen_blkfront", "xen_netfront")
NEW = Kernel("4.18.0-553.el8.x86_64", ALL, (), "/boot/initramfs-4.18.0-553.el8.x86_64.img", (), 30 * MIB, default=True)
OLD = replace(NEW, version="4.18.0-80.el8.x86_64", initramfs="/boot/initramfs-4.18.0-80.el8.x86_64.img", default=False)
OLDEST = replace(
    NEW, version="4.18.0-32.el8.x86_64", initramfs="/boot/initramfs-4.18.0-32.el8.x86_64.img", default=False
)
PATHS = ("/usr/sbin/dracut", "/lib/systemd/systemd", "/sbin/dhclient")


@pytest.fixture
def facts(make_facts: Any) -> GuestFacts:
    gone = {"/etc/initramfs-tools/initramfs.conf": None, "/etc/initramfs-tools/modules": None}
    made: GuestFacts = make_facts(gone, paths=PATHS, kernels=(NEW, OLD, OLDEST), distribution="rhel")
    return made


def rebuilds(decision: Decision) -> list[Rebuild]:
    return [step for step in decision.steps if isinstance(step, Rebuild)]


def options_of(rebuild: Rebuild) -> dict[str, str]:
    """The long options of a command; one without a value has the empty one."""
    words = [*rebuild.command, "--"]
    return {w: "" if after.startswith(("-", "/")) else after for w, after in pairwise(words) if w[:2] == "--"}


def test_the_default_kernel_and_one_fallback_are_rebuilt_for_every_machine(facts: GuestFacts) -> None:
    decision = table.decide(facts, DHCP)
    assert [(r.kernel, r.initramfs, r.keep) for r in rebuilds(decision)] == [
        (NEW.version, NEW.initramfs, True),
        (OLD.version, OLD.initramfs, False),
    ]
    first = rebuilds(decision)[0]
    assert first.command[0] == "/usr/sbin/dracut" and first.command[-2:] == (first.built, NEW.version)
    every_machine = {"--no-hostonly", "--no-hostonly-cmdline"}
    assert (
        options_of(first).keys() == {"--force", "--quiet", "--nostrip", "--compress", "--add-drivers"} | every_machine
    )
    assert options_of(first)["--add-drivers"].split() == list(first.modules)
    assert set(first.modules) == set(ALL)
    assert [step.path for step in decision.steps if isinstance(step, Note)] == [OLDEST.initramfs]


def test_the_next_kernel_update_does_the_same(facts: GuestFacts) -> None:
    (step,) = [s for s in table.decide(facts, DHCP).steps if isinstance(s, Write) and s.path == dracut.CONFIG]
    lines = [line for line in step.text.splitlines() if not line.startswith("#")]
    assert lines == [
        'hostonly="no"',
        'hostonly_cmdline="no"',
        'add_drivers+=" nvme nvme_core ena xen_blkfront xen_netfront "',
    ]


def test_nothing_is_left_to_do_afterwards(facts: GuestFacts) -> None:
    decision = table.decide(facts, DHCP)
    texts = {file.path: file for file in facts.files}
    texts |= {s.path: TextFile(s.path, s.text) for s in decision.steps if isinstance(s, Write)}
    done = {r.kernel: r.modules for r in rebuilds(decision)}
    kernels = tuple(replace(k, packed=done.get(k.version, ())) for k in facts.kernels)
    assert table.decide(replace(facts, files=tuple(texts.values()), kernels=kernels), DHCP).steps == ()


def test_an_image_that_has_the_drivers_is_rebuilt_only_for_a_file_that_it_holds(facts: GuestFacts) -> None:
    whole = replace(facts, kernels=(replace(NEW, packed=ALL),))
    decision = table.decide(whole, DHCP)
    assert rebuilds(decision) == [] and dracut.CONFIG in [step.path for step in decision.steps]
    lvm = TextFile("/etc/lvm/lvm.conf", 'devices {\n\tfilter = [ "a|/dev/sda2|", "r|.*|" ]\n}\n')
    group = (
        *whole.file_systems,
        replace(whole.file_systems[0], device="/dev/sda2", type="LVM2_member", uuid="pv", partition=2),
    )
    held = replace(whole, files=(*whole.files, lvm), file_systems=group, groups=("vg-one",))
    assert [r.kernel for r in rebuilds(table.decide(held, DHCP))] == [NEW.version]


@pytest.mark.parametrize(
    ("reads_zstd", "tool", "program"),
    [(True, ("/usr/bin/zstd",), "zstd"), (False, ("/usr/bin/zstd",), "gzip"), (True, (), "gzip")],
)
def test_zstd_where_kernel_and_guest_have_it(
    reads_zstd: bool, tool: tuple[str, ...], program: str, facts: GuestFacts
) -> None:
    kernel = replace(NEW, reads_zstd=reads_zstd)
    (rebuild,) = rebuilds(table.decide(replace(facts, kernels=(kernel,), paths=(*PATHS, *tool)), DHCP))
    assert options_of(rebuild)["--compress"].split()[0] == program


def test_the_dracut_of_rhel_6_knows_no_hostonly_option(facts: GuestFacts) -> None:
    kernel = replace(NEW, version="2.6.32-754.el6.x86_64", initramfs="/boot/initramfs-2.6.32-754.el6.x86_64.img")
    paths = ("/sbin/dracut", "/sbin/lsinitrd", "/usr/share/dracut/dracut-functions", "/sbin/dhclient")
    (rebuild,) = rebuilds(table.decide(replace(facts, kernels=(kernel,), paths=paths), DHCP))
    assert rebuild.command[0] == "/sbin/dracut"
    assert options_of(rebuild).keys() == {"--force", "--add-drivers"}
    assert rebuild.command[-2:] == (rebuild.built, kernel.version)


def test_only_modules_the_kernel_has_are_asked_for(facts: GuestFacts) -> None:
    kernel = replace(NEW, loadable=("ena",), builtin=("nvme", "nvme_core"))
    decision = table.decide(replace(facts, kernels=(kernel,)), DHCP)
    assert options_of(rebuilds(decision)[0])["--add-drivers"] == "ena"
    (config,) = [s.text for s in decision.steps if isinstance(s, Write) and s.path == dracut.CONFIG]
    assert 'add_drivers+=" ena "' in config


def test_a_kernel_without_modules_is_left_alone(facts: GuestFacts) -> None:
    kernel = replace(NEW, loadable=(), builtin=ALL, initramfs="", packed_bytes=0)
    assert rebuilds(table.decide(replace(facts, kernels=(kernel,)), DHCP)) == []


NAMES = [
    ("rhel", f"/boot/initramfs-{NEW.version}.img"),
    ("sles", f"/boot/initrd-{NEW.version}"),
    ("debian", f"/boot/initrd.img-{NEW.version}"),
]


@pytest.mark.parametrize(("distribution", "image"), NAMES)
def test_a_missing_initramfs_gets_the_distributions_name(distribution: str, image: str, facts: GuestFacts) -> None:
    kernel = replace(NEW, initramfs="", packed_bytes=0)
    (rebuild,) = rebuilds(table.decide(replace(facts, kernels=(kernel,), distribution=distribution), DHCP))
    assert (rebuild.initramfs, rebuild.keep) == (image, False)


def test_debians_dracut_is_told_from_a_purged_initramfs_tools(make_facts: Any) -> None:
    both = ("/usr/bin/dracut", "/usr/sbin/update-initramfs", "/usr/bin/lsinitrd")
    for paths, wanted in ((both, "dracut"), ((*both, "/usr/sbin/mkinitramfs"), "initramfs-tools")):
        facts = make_facts(paths=paths)
        assert next(family.name for family in table.FAMILIES if family.is_family(facts)) == wanted


def with_boot(facts: GuestFacts, free: int) -> GuestFacts:
    return replace(facts, mounts=(*facts.mounts, Mount("/boot", "/dev/sda2", free, 500 * MIB)))


def test_a_small_boot_gives_up_the_copy_then_the_fallback_then_is_refused(facts: GuestFacts) -> None:
    old, new = NEW.packed_bytes, room.for_every_machine(NEW.packed_bytes)
    enough = {
        new + new - old: [(NEW.version, True), (OLD.version, False)],
        2 * (new - old): [(NEW.version, False), (OLD.version, False)],
        new: [(NEW.version, True)],
        new - old: [(NEW.version, False)],
    }
    for free, wanted in enough.items():
        found = rebuilds(table.decide(with_boot(facts, free), DHCP))
        assert [(r.kernel, r.keep) for r in found] == wanted
    with pytest.raises(NoSpace) as refusal:
        table.decide(with_boot(facts, new - old - 1), DHCP)
    assert refusal.value.mount == "/boot"
