"""Conversion of the small guest in a real appliance; e2fsprogs and plain comparison say what happened."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runner.guest.conversion import GuestDisk, Options, Prepared, check, commit, inspect, prepare, scratch_of
from runner.guest.refusals import FileSystemDamaged, FileTooBig, StaticNetwork
from schemas.document import structure, unstructure
from tests.runner.guest import small_guest

pytestmark = pytest.mark.guestfs

CLUSTER = 524288
OFFSET = "?offset=1048576"
# The directories are the packages' own.
SERVICES = {
    "lib/systemd/system/open-vm-tools.service": "[Unit]\nConditionVirtualization=vmware\n",
    "etc/systemd/system/multi-user.target.wants/.directory": "",
    "etc/cloud/cloud.cfg": "preserve_hostname: false\n",
    "etc/cloud/cloud.cfg.d/05_logging.cfg": "{}\n",
    "usr/bin/cloud-init": "#!/bin/false\n",
    "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=default\n",
}


def disks(root: Path, data: Path) -> list[GuestDisk]:
    return [GuestDisk("root", root, True), GuestDisk("data", data, False)]


def cat(disk: Path, path: str) -> str:
    argv = ["debugfs", "-R", f"cat {path}", f"{disk}{OFFSET}"]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def blocks(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[at : at + CLUSTER] for at in range(0, len(content), CLUSTER)]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_guest_from_vmware_is_converted_once_and_then_left_alone(tmp_path):
    root, data = small_guest.build(tmp_path / "source", changes={**small_guest.FROM_VMWARE, **SERVICES})
    before = {path: sha256(path) for path in (root, data)}
    work = tmp_path / "work"
    prepared = prepare(disks(root, data), Options("dhcp"), work)
    assert {path: sha256(path) for path in (root, data)} == before, "prepare wrote to a disk"
    assert [edit.path for edit in prepared.edits] == [
        "/etc/fstab",
        "/etc/network/interfaces",
        "/etc/udev/rules.d/70-persistent-net.rules",
        "/etc/cloud/cloud.cfg.d/zz-hotadd.cfg",
        "/etc/systemd/system/open-vm-tools.service",
        "/boot/grub/grub.cfg",
        "/etc/default/grub",
        "/.autorelabel",
    ]
    assert sorted(path.name for path in work.iterdir()) == ["overlay-data.qcow2", "overlay-root.qcow2"]
    assert not scratch_of(work).exists()

    kept = structure(json.loads(json.dumps(unstructure(prepared))), Prepared)
    targets = {"root": tmp_path / "root", "data": tmp_path / "data"}
    shutil.copy(root, targets["root"])
    shutil.copy(data, targets["data"])
    commit(kept.disks, targets)
    for disk, source in zip(kept.disks, (root, data), strict=True):
        pairs = zip(blocks(source), blocks(targets[disk.id]), strict=True)
        differing = {number * CLUSTER for number, (old, new) in enumerate(pairs) if old != new}
        # A superset at most by clusters that were written with what they held.
        assert differing <= {cluster.offset for cluster in disk.clusters}
    assert kept.disks[0].clusters
    assert not kept.disks[1].clusters

    converted = targets["root"]
    subprocess.run(["e2fsck", "-fn", f"{converted}{OFFSET}"], check=True, capture_output=True, timeout=60)
    uuids = [line.split()[0] for line in cat(converted, "/etc/fstab").splitlines()]
    assert uuids == [f"UUID={small_guest.ROOT_UUID}", f"UUID={small_guest.DATA_UUID}"]
    assert cat(converted, "/etc/fstab.hotadd") == small_guest.FROM_VMWARE["etc/fstab"]
    (line,) = [line for line in cat(converted, "/boot/grub/grub.cfg").splitlines() if "vmlinuz" in line]
    assert sorted(line.split()[2:]) == sorted([*small_guest.COMMAND_LINE.split(), "quiet"])
    assert "iface eth0 inet dhcp" in cat(converted, "/etc/network/interfaces")
    assert cat(converted, "/etc/udev/rules.d/70-persistent-net.rules") == ""
    assert yaml.safe_load(cat(converted, "/etc/cloud/cloud.cfg.d/zz-hotadd.cfg"))["datasource_list"] == ["Ec2", "None"]
    argv = ["debugfs", "-R", "stat /etc/systemd/system/open-vm-tools.service", f"{converted}{OFFSET}"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert 'Fast link dest: "/dev/null"' in told and "Type: symlink" in told

    again = prepare(disks(targets["root"], targets["data"]), Options("keep"), work)
    assert again.edits == ()


def test_an_untouched_small_guest_needs_nothing_and_is_only_read(tmp_path):
    root, data = small_guest.build(tmp_path)
    before = {path: (sha256(path), path.stat().st_mtime_ns) for path in (root, data)}
    for path in (root, data):
        path.chmod(0o400)
    facts = inspect(disks(root, data), tmp_path / "work")
    check(facts, Options("keep", os="linux"))
    assert (facts.product, facts.firmwares, facts.disks) == ("Debian GNU/Linux 12 (bookworm)", ("bios",), 2)
    assert {path: (sha256(path), path.stat().st_mtime_ns) for path in (root, data)} == before


def test_a_fixed_address_is_refused_across_the_process_border(tmp_path):
    root, data = small_guest.build(tmp_path, changes=small_guest.FROM_VMWARE)
    with pytest.raises(StaticNetwork) as refusal:
        prepare(disks(root, data), Options("keep"), tmp_path / "work")
    assert (refusal.value.file, refusal.value.line) == ("/etc/network/interfaces", 3)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.slow
def test_a_guest_with_netplan_gets_one_file_that_is_roots_alone(tmp_path):
    root, data = small_guest.build(tmp_path, changes=small_guest.NETPLAN)
    prepared = prepare(disks(root, data), Options("dhcp"), tmp_path / "work")
    commit(prepared.disks, {"root": root, "data": data})
    assert "10.1.1.6/24" in " ".join(edit.why for edit in prepared.edits)
    wanted = {"network": {"version": 2, "renderer": "networkd", "ethernets": {"ec2": {}}}}
    wanted["network"]["ethernets"]["ec2"] = {"match": {"name": "e*"}, "dhcp4": True}
    assert yaml.safe_load(cat(root, "/etc/netplan/99-hotadd.yaml")) == wanted
    argv = ["debugfs", "-R", "stat /etc/netplan/99-hotadd.yaml", f"{root}{OFFSET}"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert re.search(r"Mode:\s+0600\b", told) and re.search(r"User:\s+0\b", told)
    for old in ("netplan/00-installer-config.yaml", "NetworkManager/system-connections/lan"):
        suffix = ".hotadd" if "netplan" in old else ".hotadd~"
        assert cat(root, f"/etc/{old}") == ""
        assert cat(root, f"/etc/{old}{suffix}") == small_guest.NETPLAN[f"etc/{old}"]
    assert "static" not in cat(root, "/etc/network/interfaces")
    assert prepare(disks(root, data), Options("keep"), tmp_path / "again").edits == ()


@pytest.mark.slow
def test_a_damaged_file_system_is_refused(tmp_path):
    root, data = small_guest.build(tmp_path)
    subprocess.run(["debugfs", "-w", "-R", "clri /etc/initramfs-tools", f"{root}{OFFSET}"], check=True, timeout=60)
    with pytest.raises(FileSystemDamaged):
        inspect(disks(root, data), tmp_path / "work")


@pytest.mark.slow
def test_a_huge_configuration_file_is_refused(tmp_path):
    root, data = small_guest.build(tmp_path, changes={"etc/default/grub": "x" * (1024 * 1024 + 1)})
    with pytest.raises(FileTooBig) as refusal:
        inspect(disks(root, data), tmp_path / "work")
    assert (refusal.value.path, refusal.value.size) == ("/etc/default/grub", 1024 * 1024 + 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_the_worker_may_not_read_roots_files_nor_reach_a_network(tmp_path):
    script = (
        "import socket, sys\n"
        "from runner.confinement import confine, identity\n"
        "confine(identity())\n"
        "try: open('/etc/shadow')\n"
        "except PermissionError: print('closed')\n"
        "try: socket.create_connection(('169.254.169.254', 80), 5)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    argv = ["unshare", "--net", sys.executable, "-c", script]
    cwd = Path(__file__).parents[3]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60, cwd=cwd).stdout
    assert told.splitlines() == ["closed", "Network is unreachable"]
