"""The first boot's script and service: what Windows is told to do, read as a person would read it.

That cmd does what the script says is tested apart, in Wine's cmd, where there is one (test_first_boot_in_cmd.py).
"""

import re
from pathlib import Path

import pytest

from runner.guest.windows.bundle import open_bundle
from runner.guest.windows.changes import SetValue
from runner.guest.windows.first_boot import SCRIPT, SERVICE, Queue, service, texts
from runner.guest.windows.kit import Bundle
from runner.guest.windows.releases import Wanted
from runner.guest.windows.storage import Leftover
from tests.runner.guest.windows.packages import every_package, kit_of, nvme_files, nvme_inf, write_bundle, zipped

TOOLS = "{0E6FE7A9-1B2A-4A0D-A4E5-1F5A7B1F9C11}"
STUB = (
    Leftover(("DriverDatabase", "DeviceIds", "PCI", "VEN_1D0F&DEV_8061"), "hotadd_awsnvme.inf"),
    Leftover(("DriverDatabase", "DriverPackages", "hotadd_awsnvme.inf_stub")),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(write_bundle(tmp_path_factory.mktemp("bundle")))


def lines(bundle: Bundle, release: str, queue: Queue) -> list[str]:
    text = next(file.text for file in texts(kit_of(bundle, release), queue) if file.path == SCRIPT)
    assert text.isascii() and "{{" not in text and text.count("\n") == text.count("\r\n")
    return text.split("\r\n")


def test_an_old_windows_is_told_in_its_own_words(bundle: Bundle) -> None:
    script = lines(bundle, "Windows Server 2008 R2", Queue(True, 1))
    # "PnPUtil Command Syntax": up to Windows 8.1 and 2012 R2, -i -a adds and installs.
    assert r'"%SYS%\pnputil.exe" -i -a "%HERE%nvme\awsnvme.inf" >>"%LOG%" 2>&1' in script
    assert r'"%SYS%\pnputil.exe" -i -a "%HERE%ena\ena.inf" >>"%LOG%" 2>&1' in script
    msi = r'start "pv" /wait msiexec.exe /i "%HERE%pv\AWSPVDriverSetup.msi" /qn /norestart /l*v "%HERE%pv.log"'
    assert msi in script
    # EC2Config would set a random Administrator password: an old Windows gets no agent.
    assert not any(word in line for line in script for word in ("/add-driver", "EC2Launch", "EC2Install"))


def test_a_new_windows_is_told_in_its_own_words(bundle: Bundle) -> None:
    script = lines(bundle, "Windows Server 2025", Queue(False, 0, (TOOLS,), STUB))
    drivers = [line for line in script if "pnputil" in line]
    assert drivers == [
        r'"%SYS%\pnputil.exe" /add-driver "%HERE%nvme\awsnvme.inf" /install >>"%LOG%" 2>&1',
        r'"%SYS%\pnputil.exe" /add-driver "%HERE%ena\ena.inf" /install >>"%LOG%" 2>&1',
    ]
    assert any(r'/i "%HERE%ec2launch\AmazonEC2Launch.msi" /qn /norestart' in line for line in script)
    assert not any("AWSPV" in line for line in script)
    (removal,) = [line for line in script if "/x" in line]
    assert f"msiexec.exe /x {TOOLS} /qn /norestart" in removal and removal.endswith("REBOOT=ReallySuppress")
    deleted = [line for line in script if "DriverDatabase" in line]
    done = r'if exist driver-nvme-awsnvme.done "%SYS%\reg.exe" delete '
    database = r"HKLM\SYSTEM\DriverDatabase"
    assert deleted == [
        rf'{done}"{database}\DeviceIds\PCI\VEN_1D0F&DEV_8061" /v "hotadd_awsnvme.inf" /f >>"%LOG%" 2>&1',
        rf'{done}"{database}\DriverPackages\hotadd_awsnvme.inf_stub" /f >>"%LOG%" 2>&1',
    ]
    assert script.index(drivers[0]) < script.index(deleted[0])


@pytest.mark.parametrize("before", [0, 1])
def test_what_a_crash_does_is_put_back(bundle: Bundle, before: int) -> None:
    script = lines(bundle, "Windows 11", Queue(False, before))
    put_back = script[script.index(":settle") + 1 : script.index(":settle") + 4]
    assert "add" in put_back[0] and f"/v AutoReboot /t REG_DWORD /d {before} /f" in put_back[0]
    assert "delete" in put_back[1] and "/v AutoRebootBeforeHotadd /f" in put_back[1]
    assert put_back[2] == f'"%SYS%\\sc.exe" delete {SERVICE} >>"%LOG%" 2>&1'


def test_tries_are_counted_and_compared_before_any_step(bundle: Bundle) -> None:
    """AWS: "After running the MSI, the instance automatically reboots"; what stands after it is never reached then."""
    script = lines(bundle, "Windows Server 2019", Queue(False, 1))
    written, read, uncounted, most = (
        script.index(line)
        for line in (
            ">tries.txt echo %TRIES%",
            "if exist tries.txt set /p KEPT=<tries.txt",
            'if not "%KEPT%"=="%TRIES%" goto :give_up',
            "if %TRIES% GTR %TRIES_MOST% goto :give_up",
        )
    )
    first = next(at for at, line in enumerate(script) if "pnputil" in line)
    assert written < read < uncounted < most < first
    given_up = script[script.index(":give_up") : script.index(":finish")]
    assert "call :settle" in given_up and not any("shutdown" in line for line in given_up)


def test_the_place_of_the_agent_s_settings_is_always_known(bundle: Bundle) -> None:
    script = lines(bundle, "Windows Server 2019", Queue(False, 1))
    known = script.index(r'if not defined ProgramData set "ProgramData=%SystemDrive%\ProgramData"')
    assert known < next(at for at, line in enumerate(script) if r"%ProgramData%\Amazon" in line)


def test_every_jump_has_its_label_and_every_step_its_mark(bundle: Bundle) -> None:
    script = lines(bundle, "Windows Server 2019", Queue(False, 1, (TOOLS,), STUB))
    labels = [line[1:] for line in script if line.startswith(":")]
    jumps = {name for line in script for name in re.findall(r"(?:goto|call) :([\w-]+)", line)}
    jumps |= {name for line in script for name in re.findall(r"JUDGE=(\w+)", line)}
    assert jumps <= set(labels) and len(labels) == len(set(labels))
    judged = [line.split()[1:3] for line in script if line.startswith("call :") and line.endswith("%ERRORLEVEL%")]
    assert {name for judge, name in judged if judge != ":result"} == {"pv", f"remove-{TOOLS[1:-1].lower()}"}
    done = [name for _, name in judged]
    assert done == ["driver-nvme-awsnvme", "driver-ena-ena", "pv", "ec2launch", f"remove-{TOOLS[1:-1].lower()}"]
    assert [line for line in script if line.startswith("if exist") and "goto" in line] == [
        f"if exist {name}.done goto :after-{name}" for name in done
    ]
    removed = [line for line in script if line.startswith("rd /s /q")]
    assert removed == [f'rd /s /q "%HERE%{folder}"' for folder in ("nvme", "ena", "pv", "ec2launch")]


def test_two_drivers_of_one_package_are_two_steps(tmp_path: Path) -> None:
    second = nvme_inf("1.8.1.5", ", NTamd64.10.0").replace("AddService = AWSNVMe", "AddService = Second")
    nvme = zipped({**nvme_files("1.8.1.5", ", NTamd64.10.0"), "AWSNVMe/second.INF": second.encode()})
    two = open_bundle(write_bundle(tmp_path, {**every_package(), Wanted("nvme", "latest"): nvme}))
    script = lines(two, "Windows 11", Queue(False, 1, (), STUB))
    skipped = [line for line in script if line.startswith("if exist driver-nvme") and "goto" in line]
    assert skipped == [
        "if exist driver-nvme-awsnvme.done goto :after-driver-nvme-awsnvme",
        "if exist driver-nvme-second.done goto :after-driver-nvme-second",
    ]
    (removed, *_) = [line for line in script if "DriverDatabase" in line]
    assert removed.startswith("if exist driver-nvme-awsnvme.done if exist driver-nvme-second.done ")


def test_drivers_for_xen_are_insisted_on_where_there_is_xen(bundle: Bundle) -> None:
    script = lines(bundle, "Windows Server 2019", Queue(False, 1))
    asked = next(at for at, line in enumerate(script) if "SystemManufacturer" in line)
    assert script[asked - 1] == 'set "JUDGE=note"' and '/i "Xen" bios.txt' in script[asked + 1]
    assert script[asked + 2] == 'if not errorlevel 1 set "JUDGE=result"'
    assert script.index("call :%JUDGE% pv %ERRORLEVEL%") > asked
    assert "JUDGE" not in "".join(lines(bundle, "Windows Server 2025", Queue(False, 1)))


def test_the_agent_leaves_the_password_and_the_disk_alone(bundle: Bundle) -> None:
    files = {file.path: file.text for file in texts(kit_of(bundle, "Windows Server 2019"), Queue(False, 1))}
    (path,) = set(files) - {SCRIPT}
    assert path == "/Windows/hotadd/agent-config.yml"
    assert "startSsm" in files[path] and not re.search("setAdminAccount|extendRootPartition", files[path])
    placed = files[SCRIPT].index("agent-config.yml")
    assert placed < files[SCRIPT].index("AmazonEC2Launch.msi")
    assert {file.path for file in texts(kit_of(bundle, "Windows Server 2012"), Queue(True, 1))} == {SCRIPT}


def test_what_is_no_product_code_does_not_reach_the_script(bundle: Bundle) -> None:
    codes = ("{0E6FE7A9} & calc", "VMware Tools", f"{TOOLS}\n", "{" + "g" * 36 + "}")
    assert not any("/x" in line for line in lines(bundle, "Windows 10", Queue(False, 1, codes)))


@pytest.mark.parametrize("name", ['a" & calc & "', "%PATH%", "a\nb", ""])
def test_what_would_end_its_line_is_no_leftover(bundle: Bundle, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a line"):
        texts(kit_of(bundle, "Windows 10"), Queue(False, 1, (), (Leftover(("DriverDatabase", name)),)))


def test_the_service_starts_the_script_and_hurts_no_boot() -> None:
    changes = {change.name: change for change in service("ControlSet002") if isinstance(change, SetValue)}
    assert {change.key for change in changes.values()} == {("ControlSet002", "Services", "hotadd-first-boot")}
    numbers = {name: int.from_bytes(changes[name].data, "little") for name in ("Type", "Start", "ErrorControl")}
    assert numbers == {"Type": 0x10, "Start": 2, "ErrorControl": 0}
    assert changes["ImagePath"].kind == 2  # REG_EXPAND_SZ: the service manager expands it
    command = changes["ImagePath"].data.decode("utf-16-le").rstrip("\0")
    cmd = r"%SystemRoot%\System32\cmd.exe"
    assert command == rf'{cmd} /d /c start "hotadd" /b {cmd} /d /c "%SystemRoot%\hotadd\first-boot.cmd"'
    assert changes["ObjectName"].data.decode("utf-16-le") == "LocalSystem\0"
