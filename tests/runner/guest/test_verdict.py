"""The verdict on a guest: by the matrix, its layout, and the default kernel's drivers for each hypervisor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest import verdict
from runner.guest.facts import GuestFacts, Hypervisor, Kernel, Options
from runner.guest.refusals import (
    DriverMissing,
    GuestUnlisted,
    HypervisorUnfit,
    PartitionTableUnfit,
    RootUnsupported,
    WindowsUnlisted,
    revive,
    values_of,
)
from runner.guest.windows.facts import Registry, Release, WindowsFacts
from runner.guest.windows.volume_refusals import ReleaseUnfit
from schemas.errors import Refused

ANY, NITRO, XEN = Options("dhcp"), Options("dhcp", hypervisor="nitro"), Options("dhcp", hypervisor="xen")
XEN_FRONTS = ("xen_blkfront", "xen_netfront")


def kernel(version: str, *loadable: str, builtin: tuple[str, ...] = (), default: bool = False) -> Kernel:
    return Kernel(version, loadable, builtin, f"/boot/initrd.img-{version}", (), 5, default=default)


# (kernels, Nitro, Xen). Ubuntu's generic 3.13 has NVMe and no ENA, its Xen front ends are built in; 2.6.32 of RHEL 6
# has Xen's alone (Amazon EC2 User Guide, "Enhanced networking with ENA", "Amazon EBS and NVMe").
CASES: dict[str, tuple[tuple[Kernel, ...], bool, bool]] = {
    "all": ((kernel("6.1.0-9", "nvme", "ena", *XEN_FRONTS),), True, True),
    "ubuntu 14.04": ((kernel("3.13.0-170-generic", "nvme", builtin=XEN_FRONTS),), False, True),
    "ubuntu 14.04, linux-aws": ((kernel("4.4.0-1128-aws", "ena", builtin=("nvme", *XEN_FRONTS)),), True, True),
    "rhel 6": ((kernel("2.6.32-754.el6.x86_64", *XEN_FRONTS),), False, True),
    "no disk driver for Nitro": ((kernel("5.1", "ena", "xen_netfront"),), False, False),
    "no network card for Xen": ((kernel("5.1", "nvme", "ena", "xen_blkfront"),), True, False),
    "the newest counts": ((kernel("5.10", "nvme", "ena"), kernel("5.9", *XEN_FRONTS)), True, False),
    "but the default counts more": (
        (kernel("5.10", "nvme", "ena"), kernel("5.9", *XEN_FRONTS, default=True)),
        False,
        True,
    ),
    "no kernel": ((), False, False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_default_kernel_decides(name, make_facts):
    kernels, nitro, xen = CASES[name]
    facts = make_facts(kernels=kernels)
    hypervisors: tuple[tuple[Hypervisor, bool], ...] = (("nitro", nitro), ("xen", xen))
    for hypervisor, boots in hypervisors:
        assert verdict.fitness(facts, hypervisor, "bios").boots is boots
        if not boots:
            with pytest.raises(HypervisorUnfit if nitro or xen else Refused, match=hypervisor):
                verdict.check(facts, replace(ANY, hypervisor=hypervisor))
    if nitro or xen:
        verdict.check(facts, ANY)
    else:
        with pytest.raises(DriverMissing):
            verdict.check(facts, ANY)


def test_what_is_missing_is_said(make_facts):
    facts = make_facts(kernels=CASES["ubuntu 14.04"][0])
    assert verdict.fitness(facts, "nitro", "bios").reason == "its default kernel 3.13.0-170-generic has no ena"
    with pytest.raises(HypervisorUnfit) as refusal:
        verdict.check(facts, NITRO)
    assert "Debian GNU/Linux 12" in refusal.value.sentence and "(xen)" in refusal.value.hint


def test_uefi_is_for_nitro_alone(make_facts):
    # EC2 User Guide, "Requirements to launch an instance in UEFI boot mode": Nitro-based types.
    for name, nitro in (("all", True), ("rhel 6", False)):
        facts = make_facts(kernels=CASES[name][0])
        fit = {one: verdict.fitness(facts, one, "uefi").boots for one in verdict.HYPERVISORS}
        assert fit == {"nitro": nitro, "xen": False}
        with pytest.raises(HypervisorUnfit, match="xen: the guest boots with UEFI"):
            verdict.check(facts, replace(XEN, firmware="uefi"))
    verdict.check(make_facts(kernels=CASES["all"][0]), replace(ANY, firmware="uefi"))
    with pytest.raises(HypervisorUnfit, match="nitro: its default kernel 2.6.32"):
        verdict.check(make_facts(kernels=CASES["rhel 6"][0]), replace(ANY, firmware="uefi"))


def with_root(facts: GuestFacts, type: str) -> GuestFacts:
    return replace(facts, file_systems=(replace(facts.file_systems[0], type=type), *facts.file_systems[1:]))


@pytest.mark.parametrize("type", ["ext2", "ext3", "ext4", "btrfs", "jfs", "xfs"])
def test_root_file_systems(type, make_facts):
    verdict.check(with_root(make_facts(), type), ANY)


REFUSED = {
    "an unlisted version": (lambda facts: replace(facts, version="9"), GuestUnlisted),
    "an unlisted distribution": (lambda facts: replace(facts, distribution="gentoo"), GuestUnlisted),
    "no release at all": (lambda facts: replace(facts, distribution="", version=""), GuestUnlisted),
    "another root file system": (lambda facts: with_root(facts, "reiserfs"), RootUnsupported),
    "another partition table": (lambda facts: replace(facts, tables=("bsd", "gpt")), PartitionTableUnfit),
    "no partition table": (lambda facts: replace(facts, tables=("", "gpt")), PartitionTableUnfit),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_cross_the_process_border(name, make_facts):
    change, kind = REFUSED[name]
    with pytest.raises(kind) as refusal:
        verdict.check(change(make_facts()), ANY)
    again = revive(kind.__name__, values_of(refusal.value))
    assert (type(again), again.sentence, again.hint) == (kind, refusal.value.sentence, refusal.value.hint)


def test_an_unlisted_guest_may_be_tried_but_not_without_drivers(make_facts):
    facts = replace(make_facts(), distribution="gentoo", version="2.17")
    verdict.check(facts, replace(ANY, unlisted="try"))
    with pytest.raises(DriverMissing):
        verdict.check(replace(facts, kernels=()), replace(ANY, unlisted="try"))


def windows(build: int, edition: str, installation: str = "Server") -> GuestFacts:
    release = Release("Windows Server", edition, installation, (10, 0), build, "", "AMD64")
    found = WindowsFacts(registry=Registry(release, "ControlSet001", driver_database=True))
    return GuestFacts(
        "windows", "windows", f"10.0.{build}", "Windows", ("bios",), "/dev/sda1", 1, (), (), (), (), (), windows=found
    )


def test_windows_is_judged_by_release_and_edition():
    verdict.check(windows(17763, "ServerDatacenter"), ANY)
    verdict.check(windows(17763, "ServerDatacenter"), XEN)
    verdict.check(windows(26100, "ServerStandard"), NITRO)
    with pytest.raises(HypervisorUnfit, match="xen"):  # AWS PV drivers: none for Windows Server 2025
        verdict.check(windows(26100, "ServerStandard"), XEN)


def test_a_windows_whose_uefi_loader_needs_a_bios_is_for_bios_alone():
    # 2008 R2's loader calls INT 10h under UEFI too; 2012's does not.
    for build, version, edition in ((7601, (6, 1), "ServerStandard"), (9200, (6, 2), "ServerStandard")):
        facts = windows(build, edition)
        release = replace(facts.windows.registry.release, version=version)
        facts = replace(facts, windows=WindowsFacts(registry=replace(facts.windows.registry, release=release)))
        verdict.check(facts, ANY)
        assert verdict.fitness(facts, "nitro", "bios").boots
        assert verdict.fitness(facts, "nitro", "uefi").boots is (build == 9200)
        if build == 9200:
            verdict.check(facts, replace(ANY, firmware="uefi"))
        else:
            with pytest.raises(ReleaseUnfit, match="INT 10h"):
                verdict.check(facts, replace(ANY, firmware="uefi"))


@pytest.mark.parametrize(
    "found", [(17763, "ServerTurbine", "Server"), (14393, "ServerDatacenterNano", "Nano Server"), (1, "", "")]
)
def test_a_windows_outside_the_matrix_is_not_even_tried(found):
    with pytest.raises(WindowsUnlisted) as refusal:
        verdict.check(windows(*found), replace(ANY, unlisted="try"))
    assert (refusal.value.build, refusal.value.edition) == found[:2]
