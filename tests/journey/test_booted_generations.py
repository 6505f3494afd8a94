"""Generations of a machine that lives: the source runs under QEMU and writes files, its replica boots and writes too.

The incremental brings the new files; one whose guest cannot boot is rolled back, and boots again.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from runner.cli.demo import lab_spec
from runner.cli.job import open_job
from runner.lab import account
from runner.lab.guest.sample import SampleGuest, build
from runner.lab.provider import cache_directory
from runner.lab.record import LabInfo
from runner.phases.move import plan_again
from tests.journey.conftest import JOURNEY_SECONDS, effects, hotadd, read_calls

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.xdist_group("booted-generations"),
]

BLOCK = 512 * 1024  # EBS's, and ours
MIB = 1 << 20
PARTITION = MIB  # bytes; where the only one of each disk begins
BOOT_SECONDS = 900  # emulated, on a busy machine
INTACT = "root /dev/nvme0n1p1, data /dev/nvme1n1p1, files intact"
NEWS = "Orders of the second day"

# An application: wherever the machine boots, it writes. On EC2 it writes what the source never has, and more than
# the source's news, so that the data volume deviates in blocks that did not change on the source.
APPLICATION = """\
[Unit]
Description=An application that writes
RequiresMountsFor=/srv/data
Before=console-report.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'head -c 3M /dev/urandom >/srv/data/app.bin; head -c 2M /dev/urandom >/var/lib/app.bin; sync'
ExecStart=/bin/sh -c '[ ! -b /dev/nvme0n1 ] || head -c 24M /dev/urandom >/srv/data/stray.bin; sync'

[Install]
WantedBy=multi-user.target
"""

# 32 MiB of 3 GiB, the digests where the guest's own report looks for them, and a line above the login prompt.
SECOND_DAY = (
    "head -c 21M /dev/urandom >/var/lib/news.bin",
    "cd /srv/data && head -c 11M /dev/urandom >news.bin",
    "sha256sum news.bin /var/lib/news.bin | tee -a SHA256SUMS",
    f"echo '{NEWS}' >>/etc/issue",
)


class Terminal:
    """The source's machine on VMware's controller and NIC, and its serial line."""

    def __init__(self, guest: SampleGuest) -> None:
        words = ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "768"]
        words += ["-display", "none", "-vga", "std", "-no-reboot", "-serial", "stdio", "-device", "pvscsi"]
        words += ["-nic", f"user,restrict=on,model=vmxnet3,mac={guest.mac}"]
        for at, disk in enumerate(guest.disks):
            words += ["-drive", f"if=none,id=d{at},format=raw,file={disk.path}"]
            words += ["-device", f"scsi-hd,drive=d{at}" + (",bootindex=0" if at == 0 else "")]
        self.shown = ""
        self._qemu = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._qemu.kill()
        self._qemu.wait()

    def expect(self, pattern: str, seconds: float = BOOT_SECONDS) -> re.Match[str]:
        """Read until the pattern is shown; what is shown up to it is done with."""
        stream = self._qemu.stdout
        assert stream is not None
        patience = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < patience, self.shown[-3000:]
            if select.select([stream], [], [], 1)[0]:
                more = os.read(stream.fileno(), 65536)
                assert more, f"the machine is off: {self.shown[-3000:]}"
                self.shown += more.decode("utf-8", "replace")
        self.shown = self.shown[found.end() :]
        return found

    def type(self, line: str) -> None:
        stream = self._qemu.stdin
        assert stream is not None
        stream.write(line.encode() + b"\n")
        stream.flush()

    def command(self, line: str) -> str:
        """What a command printed; it must end with 0."""
        self.type(f"{line}; echo ended=$?.")
        found = self.expect(r"(?s)(.*)[\r\n]ended=(\d+)\.")
        assert found[2] == "0", found[0]
        return found[1]

    def power_off(self) -> None:
        self.type("systemctl poweroff")
        self._qemu.communicate(timeout=BOOT_SECONDS)


def debugfs(image: Path, *requests: str) -> None:
    """Requests that write to the file system in an image's partition; none may complain."""
    words = ["debugfs", "-w", "-f", "-", f"{image}?offset={PARTITION}"]
    done = subprocess.run(words, input="\n".join(requests), check=True, capture_output=True, text=True, timeout=60)
    assert len(done.stderr.splitlines()) == 1, done.stderr  # its banner


def file_digest(image: Path, path: str, scratch: Path) -> str:
    """SHA-256 of a file in an image, by sha256sum."""
    scratch.unlink(missing_ok=True)
    words = ["debugfs", "-R", f"dump {path} {scratch}", f"{image}?offset={PARTITION}"]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return subprocess.run(["sha256sum", scratch], check=True, capture_output=True, text=True).stdout.split()[0]


def differing(one: Path, two: Path) -> set[int]:
    """The blocks in which two files differ; behind the end of a shorter one are zeroes."""
    found = set()
    with one.open("rb") as left, two.open("rb") as right:
        for at in range(-(-max(one.stat().st_size, two.stat().st_size) // BLOCK)):
            if left.read(BLOCK).ljust(BLOCK, b"\0") != right.read(BLOCK).ljust(BLOCK, b"\0"):
                found.add(at)
    return found


def kept(file: Path, name: str) -> Path:
    """A sparse copy of a file, in a folder beside the lab's own."""
    copy = file.parents[1] / "kept" / name / file.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--sparse=always", file, copy], check=True, timeout=600)
    return copy


@dataclass(frozen=True)
class Machine:
    """The sample guest in a lab that boots, replicated once."""

    info: LabInfo
    guest: SampleGuest

    @property
    def lab(self) -> Path:
        return self.info.directory

    @property
    def spec(self) -> Path:
        return self.lab / "web01.yaml"

    def manifest(self, generation: int) -> dict[str, Any]:
        file = self.lab / "state" / "web01" / "manifest" / f"generation-{generation:04d}.json"
        return dict(json.loads(file.read_text()))

    def volume(self, disk: dict[str, Any]) -> Path:
        return self.lab / "volumes" / f"{disk['volume_id']}.raw"

    def snapshot(self, disk: dict[str, Any]) -> Path:
        return self.lab / "snapshots" / f"{disk['integrity_snapshot_id']}.raw"

    def console(self, *needed: str) -> str:
        """What the replica's present boot shows, once it shows that."""
        file = self.lab / "instances" / self.manifest(1)["instance_id"] / "console.log"
        patience = time.monotonic() + BOOT_SECONDS
        while any(word not in (shown := file.read_text(errors="replace")) for word in needed):
            assert time.monotonic() < patience, shown[-3000:]
            time.sleep(1)
        return shown

    def stop_replica(self) -> None:
        session = boto3.Session(account.ACCESS_KEY, account.SECRET_KEY, region_name=self.info.region)
        ec2 = session.client("ec2", endpoint_url=self.info.endpoint)
        ids = [self.manifest(1)["instance_id"]]
        ec2.stop_instances(InstanceIds=ids)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 120})

    def snapshots_equal(self, generation: int, sources: dict[str, Path]) -> None:
        """`cmp` reads both to the end; the sample's disks fill their volumes."""
        for disk in self.manifest(generation)["disks"]:
            subprocess.run(["cmp", sources[disk["id"]], self.snapshot(disk)], check=True, timeout=300)

    def plan_is_empty(self, monkeypatch: pytest.MonkeyPatch) -> bool:
        for name, value in account.environment(self.lab).items():
            monkeypatch.setenv(name, value)
        with open_job(self.spec, lambda event: None) as job:
            return bool(plan_again(job).empty)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Generation 1; its replica runs."""
    place = tmp_path_factory.mktemp("booted") / "lab"
    info = account.up(place)
    try:
        guest = build(place / "guest", cache=cache_directory(), log=print)
        unit = place / "application.service"
        unit.write_text(APPLICATION)
        debugfs(
            guest.disks[0].path,
            "cd /etc/systemd/system",
            f"write {unit} application.service",
            "symlink multi-user.target.wants/application.service /etc/systemd/system/application.service",
            "symlink getty.target.wants/serial-getty@ttyS0.service /lib/systemd/system/serial-getty@.service",
        )
        made = Machine(info, guest)
        made.spec.write_text(lab_spec(info, guest.disks, "web01"), encoding="utf-8")
        first = hotadd(["replicate", str(made.spec)], place, seconds=JOURNEY_SECONDS)
        assert first.returncode == 0, first.stdout + first.stderr
        made.console(INTACT, "web01 login:")
        yield made
    finally:
        account.down(place)


@dataclass(frozen=True)
class Second:
    """Generation 2: what was seen before it and after it, by disk id."""

    sources: dict[str, Path]  # as replicated; copies
    changed: dict[str, set[int]]  # C: blocks of the source
    deviating: dict[str, set[int]]  # D: blocks of the volume
    digests: dict[str, str]  # of the new files, as the source's own sha256sum printed them
    console: str
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def second(machine: Machine) -> Second:
    before = {disk.id: kept(disk.path, "first") for disk in machine.guest.disks}
    with Terminal(machine.guest) as terminal:
        terminal.expect("web01 login: ")
        terminal.type("root")
        terminal.expect("Password: ")
        terminal.type(machine.guest.root_password)
        terminal.expect("~# ")
        printed = "".join(terminal.command(line) for line in SECOND_DAY)
        terminal.power_off()
    machine.stop_replica()
    disks = machine.manifest(1)["disks"]
    deviating = {d["id"]: differing(machine.volume(d), machine.snapshot(d)) for d in disks}
    changed = {disk.id: differing(disk.path, before[disk.id]) for disk in machine.guest.disks}
    sources = {disk.id: kept(disk.path, "second") for disk in machine.guest.disks}
    calls = len(read_calls(machine.lab))
    done = hotadd(["replicate", str(machine.spec)], machine.lab)
    assert done.returncode == 0, done.stdout + done.stderr
    console = machine.console("lab guest: root", "(dhcp)", "web01 login:")
    digests = {path: digest for digest, path in re.findall(r"\b([0-9a-f]{64})  (\S+)", printed)}
    return Second(sources, changed, deviating, digests, console, read_calls(machine.lab)[calls:])


def test_the_second_generation_s_snapshots_equal_the_source(machine: Machine, second: Second) -> None:
    manifest = machine.manifest(2)
    assert (manifest["kind"], manifest["base"], manifest["status"]) == ("incremental", 1, "finished")
    machine.snapshots_equal(2, second.sources)


def test_only_what_changed_and_what_deviated_was_written(machine: Machine, second: Second) -> None:
    """The manifest's counts against a comparison of the files; every kind of block was there on both disks."""
    for disk in machine.manifest(2)["disks"]:
        changed, deviating = second.changed[disk["id"]], second.deviating[disk["id"]]
        assert changed - deviating and deviating - changed
        assert len(changed) * BLOCK >= disk["volume_bytes"] // 100
        assert disk["bytes_changed"] == len(changed) * BLOCK
        assert disk["bytes_deviating"] == len(deviating) * BLOCK
        assert disk["bytes_written"] == len(changed | deviating) * BLOCK < disk["volume_bytes"] // 4


def test_it_boots_from_nvme_and_has_the_new_files(second: Second) -> None:
    """The report checks the new files too: their digests stand in the list that the source wrote."""
    assert INTACT in second.console and "(dhcp)" in second.console
    assert NEWS in second.console


def test_the_new_files_on_the_volumes_are_the_source_s(machine: Machine, second: Second, tmp_path: Path) -> None:
    volumes = {disk["id"]: machine.volume(disk) for disk in machine.manifest(2)["disks"]}
    assert second.digests == {
        "news.bin": file_digest(volumes["data"], "/news.bin", tmp_path / "file"),
        "/var/lib/news.bin": file_digest(volumes["root"], "/var/lib/news.bin", tmp_path / "file"),
    }


def test_the_same_volumes_and_instance_and_nothing_to_plan(
    machine: Machine, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = effects(second.calls)
    assert not counted["CreateVolume"] and not counted["DeleteVolume"] and not counted["RunInstances"]
    assert (counted["StartInstances"], counted["DetachVolume"], counted["AttachVolume"]) == (1, 4, 4)
    assert machine.plan_is_empty(monkeypatch)


def test_drift_is_the_running_replica_s_own_writes_alone(machine: Machine, second: Second) -> None:
    looked = hotadd(["drift", str(machine.spec), "--json"], machine.lab)
    assert looked.returncode == 2, looked.stderr
    drift = json.loads(looked.stdout)
    assert (drift["infrastructure"], drift["since_launch"], drift["moving"]) == ([], True, True)
    assert all(disk["compared"] and disk["blocks"] for disk in drift["disks"])


@pytest.fixture(scope="module")
def broken(machine: Machine, second: Second) -> subprocess.CompletedProcess[str]:
    """Generation 3: the source has lost its init, which no injection brings back. The replica runs when it begins."""
    debugfs(machine.guest.disks[0].path, "rm /usr/lib/systemd/systemd")
    return hotadd(["replicate", str(machine.spec), "--start-minutes", "4"], machine.lab)


def test_an_incremental_that_does_not_boot_fails_at_its_start(
    machine: Machine, broken: subprocess.CompletedProcess[str]
) -> None:
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "status checks" in broken.stderr
    assert machine.manifest(3)["status"] == "prepared"
    machine.snapshots_equal(3, {disk.id: disk.path for disk in machine.guest.disks})
    assert INTACT not in machine.console("Linux version")


def test_rolled_back_it_boots_again(
    machine: Machine, second: Second, broken: subprocess.CompletedProcess[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = hotadd(["rollback", str(machine.spec), "--generation", "2"], machine.lab)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = machine.manifest(4)
    assert (manifest["kind"], manifest["base"], manifest["status"]) == ("rollback", 2, "finished")
    machine.snapshots_equal(4, second.sources)
    shown = machine.console("lab guest: root", "(dhcp)", "web01 login:")
    assert INTACT in shown and NEWS in shown
    before, after = ([d["volume_id"] for d in machine.manifest(n)["disks"]] for n in (1, 4))
    assert before == after
    assert machine.plan_is_empty(monkeypatch)
