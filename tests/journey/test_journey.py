"""Stations of the journey: what the demo must have done, seen from outside."""

from __future__ import annotations

import json
import subprocess

import pytest

from runner.guest.conversion import scratch_of
from tests.journey.capture import dhcp_messages
from tests.journey.conftest import Journey, effects, hotadd

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.xdist_group("journey"),
]


def console(journey: Journey) -> str:
    return (journey.lab / "instances" / journey.manifest["instance_id"] / "console.log").read_text(errors="replace")


def test_the_demo_prints_its_evidence(journey: Journey) -> None:
    assert "Integrity snapshots equal the source byte for byte" in journey.output
    assert "The plan after it is empty" in journey.output
    for step in ("preflight", "apply staging", "restore", "commit", "root swap", "apply target", "start"):
        assert f"{step} " in journey.output


def test_the_console_ends_at_a_login_prompt(journey: Journey) -> None:
    assert "web01 login:" in console(journey)


def test_root_is_the_first_nvme_disk_and_the_data_disk_is_mounted_with_its_files(journey: Journey) -> None:
    """The guest's own report: findmnt, sha256sum of the data files, ip."""
    report = next(line for line in console(journey).splitlines() if "lab guest: root" in line)
    assert "root /dev/nvme0n1p1, data /dev/nvme1n1p1, files intact" in report
    assert "(dhcp)" in report


def test_the_guest_got_a_dhcp_lease_on_the_wire(journey: Journey) -> None:
    capture = journey.lab / "instances" / journey.manifest["instance_id"] / "network.pcap"
    acknowledged = [address for kind, address in dhcp_messages(capture) if kind == 5]
    assert acknowledged
    assert any(address in console(journey) for address in acknowledged)


@pytest.mark.parametrize("disk", ["root", "data"])
def test_the_integrity_snapshot_equals_the_source(journey: Journey, disk: str) -> None:
    """cmp reads both; past the source's end the snapshot is zero."""
    record = next(d for d in journey.manifest["disks"] if d["id"] == disk)
    snapshot = journey.lab / "snapshots" / f"{record['integrity_snapshot_id']}.raw"
    source = journey.source(disk)
    size = source.stat().st_size
    subprocess.run(["cmp", "--bytes", str(size), str(source), str(snapshot)], check=True, timeout=300)
    tail = snapshot.stat().st_size - size
    subprocess.run(["cmp", "--bytes", str(tail), f"--ignore-initial={size}:0", str(snapshot), "/dev/zero"], check=True)


def test_the_manifest_names_what_is_in_the_account(journey: Journey) -> None:
    manifest = journey.manifest
    assert (manifest["status"], manifest["generation"], manifest["kind"]) == ("finished", 1, "full")
    assert {d["id"] for d in manifest["disks"]} == {"root", "data"}
    for disk in manifest["disks"]:
        assert (journey.lab / "volumes" / f"{disk['volume_id']}.raw").stat().st_size == disk["volume_bytes"]
        assert (journey.home / "manifest" / disk["digest_file"]).is_file()
    edited = {edit["path"] for edit in manifest["edits"]}
    assert {"/etc/fstab", "/etc/default/grub", "/etc/network/interfaces"} <= edited


def test_every_effect_was_had_once(journey: Journey) -> None:
    """Two disks: made, staged, unstaged, attached to the destination; one instance, whose shell root is swapped out."""
    counted = effects(journey.calls())
    assert counted["CreateVolume"] == 2
    assert counted["AttachVolume"] == 4
    assert counted["DetachVolume"] == 3
    assert counted["CreateSnapshot"] == 2
    assert counted["RunInstances"] == 1
    assert counted["StopInstances"] == 1
    assert counted["StartInstances"] == 1
    assert counted["DeleteVolume"] == 1
    assert counted["TerminateInstances"] == counted["DeleteSnapshot"] == 0


def test_nothing_is_left_behind(journey: Journey) -> None:
    assert not (journey.home / "work" / "generation-0001").exists()
    assert not (journey.home / "work" / "applying.json").exists()
    node = journey.info.access_node_id
    replicated = {disk["volume_id"].replace("-", "") for disk in journey.manifest["disks"]}
    links = [link.name for link in (journey.lab / "instances" / node / "by-id").iterdir()]
    assert not [link for link in links if link.rpartition("_")[2] in replicated]
    assert len(links) == 1, "the node's own root alone"
    assert not scratch_of(journey.home / "work" / "generation-0001").exists()


def test_no_credential_stands_in_what_is_kept(journey: Journey) -> None:
    secret = "AKIAHOTADDLAB"
    kept = [p for p in (journey.home).rglob("*") if p.is_file() and p.stat().st_size < 10_000_000]
    found = [p for p in kept if secret.encode() in p.read_bytes() and ".terraform" not in p.parts]
    assert kept and found == []


def test_a_second_full_replication_is_refused_and_status_tells(journey: Journey) -> None:
    again = hotadd(["replicate", "--mode", "full", str(journey.spec)], journey.lab)
    assert again.returncode == 3
    assert "web01 is replicated (generation 1)" in again.stderr
    status = hotadd(["status", "--json", str(journey.spec)], journey.lab)
    assert json.loads(status.stdout)[0]["state"] == "replicated"
