"""The first boot's script run by a cmd that is not ours: Wine's, where Wine is installed.

What the script calls (pnputil, installers, reg, sc, shutdown) is replaced by scripts that write down how they were
called: Wine has no driver store. Its cmd is no proof of Windows', but it knows its labels, quotes and redirections.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.guest.windows.bundle import open_bundle
from runner.guest.windows.first_boot import SCRIPT, Queue, texts
from runner.guest.windows.kit import HOME
from tests.runner.guest.windows.packages import kit_of, write_bundle

WINE = shutil.which("wine")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(WINE is None, reason="wine is not installed")]
FAKES = ("pnputil", "shutdown", "ping", "reg", "find", "sc", "start")
TOOLS = "{0E6FE7A9-1B2A-4A0D-A4E5-1F5A7B1F9C11}"


@dataclass
class Machine:
    """A Wine prefix with the first boot's directory in it, as conversion would leave it."""

    prefix: Path

    @property
    def home(self) -> Path:
        return self.prefix / "drive_c/windows/hotadd"

    @property
    def calls(self) -> Path:
        return self.prefix / "drive_c/fakes/calls.txt"

    def convert(self, bundle: Path, release: str, code: str, *, xen: bool) -> None:
        """`code` is what every driver and installer ends with; `xen` what the firmware says of the machine."""
        kit = kit_of(open_bundle(bundle), release)
        for directory in (self.home, self.calls.parent):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        for name in FAKES:
            found = f"\r\n@exit /b {int(not xen)}" if name == "find" else ""
            (self.calls.parent / f"{name}.cmd").write_text(f"@>>C:\\fakes\\calls.txt echo {name} %*{found}\r\n")
        for file in texts(kit, Queue(False, 1, (TOOLS,))):
            text = re.sub(r'"%SYS%\\(\w+)\.exe"', r"call C:\\fakes\\\1.cmd", file.text)
            text = re.sub(r'start "(\S+)" /wait', r"call C:\\fakes\\start.cmd \1", text)
            (self.home / Path(file.path).name).write_text(text.replace("%ERRORLEVEL%", code))
        for payload in kit.staged:
            placed = self.home / payload.path.removeprefix(f"{HOME}/")
            placed.parent.mkdir(parents=True, exist_ok=True)
            placed.write_bytes(b"x")

    def boot(self) -> list[str]:
        """Run the service's script; the names of what it called, with a first word or two."""
        self.calls.unlink(missing_ok=True)
        wine(self.prefix, "cmd", "/d", "/c", r"C:\windows\hotadd\first-boot.cmd")
        return [" ".join(line.split()[:2]) for line in self.calls.read_text().splitlines()]


def wine(prefix: Path, *words: str) -> None:
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    subprocess.run([str(WINE), *words], env=environment, capture_output=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    prefix = tmp_path_factory.mktemp("wine")
    wine(prefix, "wineboot", "-i")
    return Machine(prefix)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"))


DRIVERS = ["ping -n", "pnputil /add-driver", "pnputil /add-driver"]
PV = ["reg query", "find /i", "start pv"]
SETTLES = ["reg add", "reg delete", "sc delete"]


def short(calls: list[str]) -> list[str]:
    return [re.sub("remove-.*", "remove-", call) for call in calls]


@pytest.mark.parametrize(("code", "reboot"), [("0", []), ("3010", ["shutdown /r"]), ("259", []), ("1605", [])])
def test_it_installs_settles_and_removes_itself(machine: Machine, bundle: Path, code: str, reboot: list[str]) -> None:
    machine.convert(bundle, "Windows Server 2022", code, xen=True)
    calls = [*DRIVERS, *PV, "start ec2launch", "start remove-", *SETTLES, *reboot]
    assert short(machine.boot()) == calls
    assert [path.name for path in machine.home.iterdir()] == ["first-boot.log"]
    assert f"ec2launch: exit code {code}" in (machine.home / "first-boot.log").read_text()


@pytest.mark.parametrize("xen", [True, False])
def test_what_fails_is_tried_three_times_and_then_left(machine: Machine, bundle: Path, xen: bool) -> None:
    """But for what is of no use there: Xen's drivers on Nitro, and the removal of VMware Tools anywhere."""
    machine.convert(bundle, "Windows Server 2022", "1618", xen=xen)
    assert short(machine.boot()) == [*DRIVERS, *PV, "start ec2launch", "start remove-", "shutdown /r"]
    again = [*DRIVERS, *(PV if xen else PV[:2]), "start ec2launch"]
    assert short(machine.boot()) == [*again, "shutdown /r"]
    assert short(machine.boot()) == [*again, *SETTLES]
    left = {path.name for path in machine.home.iterdir()}
    assert left >= {Path(SCRIPT).name, "first-boot.log", "pv", "ec2launch"}
    log = (machine.home / "first-boot.log").read_text()
    assert "giving up at try 3 of 3" in log and ("pv: exit code 1618, not tried again" in log) is not xen


def test_a_step_that_reboots_by_itself_is_met_three_times_at_most(machine: Machine, bundle: Path) -> None:
    machine.convert(bundle, "Windows Server 2022", "0", xen=True)
    script = machine.home / Path(SCRIPT).name
    text = script.read_bytes()
    assert b"call :%JUDGE% pv 0" in text
    script.write_bytes(text.replace(b"call :%JUDGE% pv 0", b"exit 0"))  # the machine goes down in the midst of it
    first = [*DRIVERS, *PV]
    assert [short(machine.boot()) for _ in range(4)] == [first, ["ping -n", *PV], ["ping -n", *PV], SETTLES]
    assert "giving up at try 4 of 3" in (machine.home / "first-boot.log").read_text()


def test_what_cannot_be_counted_is_not_begun(machine: Machine, bundle: Path) -> None:
    machine.convert(bundle, "Windows Server 2022", "0", xen=True)
    (machine.home / "tries.txt").mkdir()  # as good as a full disk: nothing can be written to it
    assert short(machine.boot()) == SETTLES
