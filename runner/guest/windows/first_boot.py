"""What Windows does once, at its first boot on EC2: the script, and the service that starts it. Pure.

Why a service whose program is cmd.exe, and how it outlives the service manager's patience: docs/adr/0016.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from runner.guest.facts import TextFile
from runner.guest.windows.changes import Change, dword, expand_sz, sz
from runner.guest.windows.kit import HOME, Kit
from runner.guest.windows.settings import KEPT_AUTO_REBOOT
from runner.guest.windows.storage import Leftover

SERVICE = "hotadd-first-boot"
SCRIPT = f"{HOME}/first-boot.cmd"
_LAUNCH_SETTINGS = f"{HOME}/agent-config.yml"
# Read now: once a worker is confined, this checkout may be unreadable.
_FRAME = files("runner.guest.windows").joinpath("first_boot.cmd").read_text(encoding="ascii")

# SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START and SERVICE_ERROR_IGNORE of winnt.h.
_OWN_PROCESS, _AUTO_START, _ERROR_IGNORE = 0x10, 2, 0
_CMD = r"%SystemRoot%\System32\cmd.exe"
_IMAGE = rf'{_CMD} /d /c start "hotadd" /b {_CMD} /d /c "%SystemRoot%\hotadd\first-boot.cmd"'

_PRODUCT_CODE = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}", re.ASCII)
# What may stand between quotes in a line of cmd.
_REGISTRY_NAME = re.compile(r"[A-Za-z0-9_{}.+&* -]{1,200}", re.ASCII)
_CRASH_CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control\CrashControl"

# DMI's manufacturer is "Xen" on EC2's Xen instances, and "Amazon EC2" on Nitro.
_ON_XEN = r"""set "JUDGE=note"
"%SYS%\reg.exe" query HKLM\HARDWARE\DESCRIPTION\System\BIOS /v SystemManufacturer >bios.txt 2>&1
"%SYS%\find.exe" /i "Xen" bios.txt >nul
if not errorlevel 1 set "JUDGE=result"
"""

# EC2Launch v2 leaves a configuration alone that is there when it is installed ("Install the latest version of EC2Launch
# v2"). Its own would set a new Administrator password, grow the system volume and change the DNS suffix, all of which a
# replica has from its source.
_LAUNCH_CONFIGURATION = """\
version: 1.0
config:
  - stage: postReady
    tasks:
      - task: startSsm
"""


@dataclass(frozen=True)
class Queue:
    """What the first boot has to do beside installing a kit.

    `old_pnputil` is for Windows before 10. `auto_reboot` is CrashControl's AutoReboot as the source has it, 0 or 1.
    `uninstall` are product codes of programs to remove, `leftovers` what stands in the SYSTEM hive for a driver package
    until it is installed.
    """

    old_pnputil: bool
    auto_reboot: int
    uninstall: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()


def service(control_set: str) -> tuple[Change, ...]:
    """The registry values that make the service start the script at each boot, until the script removes it."""
    key = (control_set, "Services", SERVICE)
    why = "installs the rest at the first boot"
    return (
        dword(key, "Type", _OWN_PROCESS, why),
        dword(key, "Start", _AUTO_START, why),
        dword(key, "ErrorControl", _ERROR_IGNORE, why),
        expand_sz(key, "ImagePath", _IMAGE, why),
        sz(key, "DisplayName", "hotadd: first boot on EC2", why),
        sz(key, "Description", "Installs EC2's drivers and agent once, then removes itself.", why),
        sz(key, "ObjectName", "LocalSystem", why),
    )


def texts(kit: Kit, queue: Queue) -> tuple[TextFile, ...]:
    """The files to write beside what the kit stages: `SCRIPT`, and a configuration for EC2Launch v2. ASCII.

    Raises `ValueError` for a leftover whose name would end its line of cmd.
    """
    _check(queue)
    written = [TextFile(SCRIPT, _script(kit, queue))]
    if any(each.name == "ec2launch" for each in kit.installers):
        written.append(TextFile(_LAUNCH_SETTINGS, _LAUNCH_CONFIGURATION))
    return tuple(written)


def _script(kit: Kit, queue: Queue) -> str:
    steps = [_driver(inf, queue.old_pnputil) for inf in kit.infs]
    if queue.leftovers:  # those of the boot drivers, which come first
        steps.append(_clean_up(queue.leftovers, [inf for inf in kit.infs if inf.startswith(f"{HOME}/nvme/")]))
    steps += [_installer(each.name, each.command) for each in kit.installers]
    # A program that was not installed by Windows Installer has another name there, and stays.
    steps += [_uninstaller(code) for code in queue.uninstall if _PRODUCT_CODE.fullmatch(code)]
    folders = dict.fromkeys(payload.path.removeprefix(f"{HOME}/").partition("/")[0] for payload in kit.staged)
    blanks = {
        "{{steps}}": "\n".join(steps),
        "{{clean}}": "\n".join(f'rd /s /q "%HERE%{folder}"' for folder in folders),
        "{{settle}}": _auto_reboot(queue.auto_reboot),
        "{{service}}": SERVICE,
    }
    text = _FRAME
    for blank, filled in blanks.items():
        text = text.replace(blank, filled)
    return text.replace("\n", "\r\n")


def _check(queue: Queue) -> None:
    for name in [name for each in queue.leftovers for name in (*each.key, each.value or "-")]:
        if not _REGISTRY_NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is no name for a line of cmd")


def _driver(inf: str, old: bool) -> str:
    """Add a driver to the store and install it on the devices that are there ("PnPUtil Command Syntax")."""
    path = _path(inf)
    words = f'-i -a "{path}"' if old else f'/add-driver "{path}" /install'
    return _step(_name(inf), f'"%SYS%\\pnputil.exe" {words} >>"%LOG%" 2>&1')


def _clean_up(leftovers: Sequence[Leftover], infs: Sequence[str]) -> str:
    """Remove the stand-ins of driver packages once the drivers themselves are in the store."""
    lines = []
    installed = "".join(f"if exist {_name(inf)}.done " for inf in infs)
    for each in leftovers:
        key = "\\".join(("HKLM\\SYSTEM", *each.key))
        what = f'/v "{each.value}" /f' if each.value else "/f"
        lines.append(f'{installed}"%SYS%\\reg.exe" delete "{key}" {what} >>"%LOG%" 2>&1')
    return "\n".join((*lines, ""))


def _installer(name: str, command: str) -> str:
    before, judge = "", "result"
    if name == "ec2launch":
        folder = r"%ProgramData%\Amazon\EC2Launch\config"
        before = (
            f'if not exist "{folder}\\" md "{folder}"\n'
            f'if not exist "{folder}\\agent-config.yml" copy /y "%HERE%agent-config.yml" "{folder}\\" >nul\n'
        )
    if name == "pv":  # on Nitro it has nothing to drive, and whether it installs there matters to nobody
        before, judge = _ON_XEN, "%JUDGE%"
    return before + _step(name, f'start "{name}" /wait {command}', judge)


def _uninstaller(code: str) -> str:
    """Tried once: VMware Tools' own uninstaller may insist on VMware's hardware, and a reboot changes nothing then."""
    name = "remove-" + code.strip("{}").lower()
    words = f'/x {code} /qn /norestart /l*v "%HERE%{name}.log" REBOOT=ReallySuppress'
    return _step(name, f'start "{name}" /wait msiexec.exe {words}', "note")


def _step(name: str, command: str, judge: str = "result") -> str:
    """One thing that is done once; the label `judge` says by the exit code whether the next boot tries again."""
    after = f":after-{name}"
    done = f"call :{judge} {name} %ERRORLEVEL%"
    return "\n".join((f"if exist {name}.done goto {after}", f"call :say {name}", command, done, after, ""))


def _auto_reboot(before: int) -> str:
    reg = f'"%SYS%\\reg.exe" {{}} "{_CRASH_CONTROL}" /v {{}} /f >>"%LOG%" 2>&1'
    put_back = reg.format("add", f"AutoReboot /t REG_DWORD /d {before}")
    return put_back + "\n" + reg.format("delete", KEPT_AUTO_REBOOT)


def _path(payload: str) -> str:
    return "%HERE%" + payload.removeprefix(f"{HOME}/").replace("/", "\\")


def _name(inf: str) -> str:
    """A name of its own for each INF: a product may have more than one."""
    product, _, file = inf.removeprefix(f"{HOME}/").partition("/")
    return f"driver-{product}-{file.rpartition('.')[0].lower()}"
