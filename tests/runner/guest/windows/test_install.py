"""Which drivers an INF installs on which Windows; expected values are read off the INF by Microsoft's reference."""

import random
from contextlib import suppress

import pytest

from runner.guest.windows.bundle_refusals import InfBroken
from runner.guest.windows.driver import Driver, DriverFile, Setting
from runner.guest.windows.inf import Inf
from runner.guest.windows.install import Place, Target, drivers_of
from tests.runner.guest.windows.packages import ena_files, ena_inf, nvme_files, nvme_inf

R2 = Target(6, 1, 7601, 3)
SERVER_2019 = Target(10, 0, 17763, 3)
CLIENT_10 = Target(10, 0, 17763, 1)
NVME = Place("nvme.zip", "AWSNVMe/awsnvme.inf", tuple(nvme_files()))
ENA = Place("ena.zip", "ena.inf", tuple(ena_files()))


def nvme(text: str, target: Target = R2) -> list[Driver]:
    return [match.driver for match in drivers_of(Inf("awsnvme.inf", text.encode()), NVME, target)]


def changed(old: str, new: str) -> str:
    assert old in nvme_inf()
    return nvme_inf().replace(old, new)


def test_a_storport_miniport_is_read_whole() -> None:
    (driver,) = nvme(nvme_inf())
    assert driver == Driver(
        archive="nvme.zip",
        inf="AWSNVMe/awsnvme.inf",
        catalog="AWSNVMe/AWSNVMe.cat",
        provider="Amazon Inc.",
        description="AWS NVMe Elastic Block Storage Adapter",
        class_name="SCSIAdapter",
        class_guid="{4d36e97b-e325-11ce-bfc1-08002be10318}",
        date="07/19/2023",
        version="1.5.0.33",
        hardware_ids=(r"PCI\VEN_1D0F&DEV_8061", r"PCI\VEN_1D0F&DEV_CD00", r"PCI\VEN_1D0F&DEV_CD01"),
        install="NVMe_Inst.ntamd64",
        service="AWSNVMe",
        display="AWS NVMe; Storage",
        sys="AWSNVMe.sys",
        type=1,
        start=0,
        error_control=3,
        load_group="SCSI Miniport",
        settings=(
            Setting(("Parameters", "PnpInterface"), "5", 4, "01000000"),
            Setting(("Parameters",), "BusType", 4, "11000000"),
            Setting(("Parameters", "Device"), "Names", 7, "a, b\0c\0\0".encode("utf-16-le").hex()),
        ),
        device_settings=(
            Setting(("Interrupt Management", "MessageSignaledInterruptProperties"), "MSISupported", 4, "01000000"),
        ),
        files=(DriverFile("AWSNVMe/AWSNVMe.sys", 12, "AWSNVMe.sys"),),
    )
    assert driver.inf_name == "awsnvme.inf" and driver.settings[0].data == b"\1\0\0\0"


@pytest.mark.parametrize(
    ("target", "install", "ids"),
    [(R2, "ENA_Old.ndi", 2), (Target(6, 3, 9600, 3), "ENA_Old.ndi", 2), (SERVER_2019, "ENA_New.ndi", 2)],
)
def test_a_network_driver_takes_the_models_of_its_windows(target: Target, install: str, ids: int) -> None:
    (match,) = drivers_of(Inf("ena.inf", ena_inf().encode()), ENA, target)
    driver = match.driver
    assert (driver.install, driver.service, driver.sys, driver.start) == (install, "ena", "ena.sys", 3)
    assert len(driver.hardware_ids) == ids and driver.dependencies == ("NDIS",)
    assert driver.files == (DriverFile("bin/x64/ena.sys", 12, "ena.sys"),)
    assert driver.catalog == "ena.cat"


# "INF Manufacturer Section": decorations, a Windows, and the decoration it takes (None: the INF is not for it).
CHOICES = [
    ("NTamd64", R2, "NTamd64"),
    ("NTx86, NTia64, NTarm64", R2, None),
    ("", R2, None),
    ("NT.6.1", R2, None),
    ("NTamd64.6.1, NTamd64.6.2", R2, "NTamd64.6.1"),
    ("NTamd64.6.2", R2, None),
    ("NTamd64, NTamd64.6.0", R2, "NTamd64.6.0"),
    ("NTamd64.6.1, NTamd64.10.0", SERVER_2019, "NTamd64.10.0"),
    ("NTamd64.6.1, NTamd64.6.3", SERVER_2019, "NTamd64.6.3"),
    ("NTamd64.10.0...14393", SERVER_2019, "NTamd64.10.0...14393"),
    ("NTamd64.10.0...17763, NTamd64.10.0...14393", SERVER_2019, "NTamd64.10.0...17763"),
    ("NTamd64.10.0...20348", SERVER_2019, None),
    ("NTamd64.10.0.1, NTamd64.6.1", SERVER_2019, "NTamd64.6.1"),
    ("NTamd64.10.0.1, NTamd64.6.1", CLIENT_10, "NTamd64.10.0.1"),
    ("NTamd64.10.0, NTamd64.10.0.3", SERVER_2019, "NTamd64.10.0.3"),
    ("NTamd64.6.1.0x00000003", R2, "NTamd64.6.1.0x00000003"),
    ("NTamd64.x.y, NTamd64", R2, "NTamd64"),
    ("NTamd64.6.1.3.0x80, NTamd64.6.0", R2, "NTamd64.6.0"),
]


@pytest.mark.parametrize(("decorations", "target", "taken"), CHOICES)
def test_the_models_section_is_chosen_by_the_target_os_version(
    decorations: str, target: Target, taken: str | None
) -> None:
    each = [part.strip() for part in decorations.split(",") if part.strip()]
    models = "".join(f"[Amazon.{d}]\n{d} = NVMe_Inst, PCI\\VEN_1D0F&DEV_8061\n" for d in each)
    models += "[Amazon]\nplain = NVMe_Inst, PCI\\VEN_1D0F&DEV_8061\n"
    text = nvme_inf(decorations="").replace("%AMZN% = Amazon\n", f"%AMZN% = Amazon, {decorations}\n{models}")
    assert [driver.description for driver in nvme(text, target)] == ([] if taken is None else [taken])


def test_an_install_section_for_all_platforms_serves_too() -> None:
    for plain in ("NVMe_Inst.NT", "NVMe_Inst"):
        assert nvme(nvme_inf().replace("NVMe_Inst.NTamd64", plain))[0].install.lower() == plain.lower()


def test_an_install_section_may_have_a_version_of_its_own() -> None:
    (driver,) = nvme(changed("CopyFiles = NVMe_Copy", "CopyFiles = NVMe_Copy\nDriverVer = 01/02/2024,1.6.0.7"))
    assert (driver.date, driver.version) == ("01/02/2024", "1.6.0.7")


def test_a_filter_or_a_null_driver_is_no_driver_of_ours() -> None:
    for flags in ("0", "0x00000008"):
        assert nvme(changed("AddService = AWSNVMe, %SPSVCINST_ASSOCSERVICE%", f"AddService = AWSNVMe, {flags}")) == []
    assert (
        nvme(changed("AddService = AWSNVMe, %SPSVCINST_ASSOCSERVICE%, NVMe_Service, NVMe_Log", "AddService = ,2")) == []
    )


# AddReg lines and the value they are ("INF AddReg Directive"), None for what is no plain value below the service.
VALUES = [
    ('HKR, "A\\B", "n", 0x00010001, 7', Setting(("A", "B"), "n", 4, "07000000")),
    ("HKR,,n,0x00010001,0xFFFFFFFF", Setting((), "n", 4, "ffffffff")),
    ("HKR,,n,0x00010001,-1", Setting((), "n", 4, "ffffffff")),
    ("HKR,,n,0x00010003,5", Setting((), "n", 4, "05000000")),
    ("HKR,,n,%REG_DWORD%,5", Setting((), "n", 4, "05000000")),
    ('HKR,,n,,"text"', Setting((), "n", 1, "text\0".encode("utf-16-le").hex())),
    ('HKR,,n,0x00020000,"%%SystemRoot%%\\x"', Setting((), "n", 2, "%SystemRoot%\\x\0".encode("utf-16-le").hex())),
    ("HKR,,n,0x00010000,a,b", Setting((), "n", 7, "a\0b\0\0".encode("utf-16-le").hex())),
    ("HKR,,n,1,01,ff,0a", Setting((), "n", 3, "01ff0a")),
    ("HKR,,n,0x000B0001,0x100000000", Setting((), "n", 11, "0000000001000000")),
    # A comma too few, as in adp80xx.inf of Windows 10: its hive has that value, of that name.
    ('HKR, "Interrupt Management", 0x00000010', Setting(("Interrupt Management",), "0x00000010", 1, "0000")),
    ("HKLM,,n,0x00010001,7", None),
    ("HKLM,,n,%UNKNOWN%,7", None),
    ("HKR,,n,0x00000004", None),
    ("HKR,,n,0x00000010", None),
    ("HKR,,n,0x00010008,x", None),
]


@pytest.mark.parametrize(("line", "setting"), VALUES)
def test_a_registry_value_has_its_type_and_bytes(line: str, setting: Setting | None) -> None:
    (driver,) = nvme(changed("[NVMe_Pnp]\n", f"[NVMe_Pnp]\n{line}\n"))
    extra = [each for each in driver.settings if each not in nvme(nvme_inf())[0].settings]
    assert extra == ([] if setting is None else [setting])


# What in an INF must be refused, rather than be written into a guest's registry or file system.
REFUSED = {
    "a service with a path in its name": ("AddService = AWSNVMe,", r"AddService = ..\Tcpip,"),
    "a binary without a name": (r"%12%\AWSNVMe.sys", "%12%\\"),
    "a class that is none": ("{4D36E97B-E325-11CE-BFC1-08002BE10318}", "{4D36E97B}"),
    "no version": ("DriverVer   = 07/19/2023,1.5.0.33", ""),
    "a version that is none": ("07/19/2023,1.5.0.33", "07/19/2023,1.5.x"),
    "a start type that is none": ("StartType      = 0x0", "StartType = boot"),
    "a number without end": ("StartType      = 0x0", "StartType = " + "9" * 400),
    "a service without settings": ("NVMe_Service, NVMe_Log", "Missing, NVMe_Log"),
    "a file that is not there": ("AWSNVMe.sys,,,1", "other.sys"),
    "a file above the package": ("AWSNVMe.sys,,,1", r"AWSNVMe.sys,..\..\AWSNVMe.sys"),
    "a catalog that is not there": ("CatalogFile = AWSNVMe.cat", "CatalogFile = other.cat"),
    "a hardware id that is none": (r"PCI\VEN_1D0F&DEV_8061", r'"PCI\VEN""&calc"'),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_no_driver_has_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(InfBroken) as caught:
        nvme(changed(*change))
    assert "cannot be read" in caught.value.sentence


def test_sections_that_need_one_another_end() -> None:
    loop = "[NVMe_Inst.NTamd64]\nNeeds = A\n[A]\nNeeds = B\n[B]\nNeeds = A, NVMe_Inst.NTamd64\n"
    assert len(nvme(nvme_inf() + loop)) == 1
    deep = "[NVMe_Inst.NTamd64]\nNeeds = N0\n" + "".join(f"[N{n}]\nNeeds = N{n + 1}\n" for n in range(20)) + "[N20]\n"
    with pytest.raises(InfBroken, match="8 deep"):
        nvme(nvme_inf() + deep)


def test_more_drivers_than_any_inf_has_are_refused() -> None:
    many = "".join(f"d{n} = I{n}, PCI\\VEN_1D0F&DEV_{n:04}\n" for n in range(65))
    with pytest.raises(InfBroken, match="more than 64"):
        nvme(nvme_inf() + f"[Amazon.NTamd64.6.1]\n{many}")


@pytest.mark.thorough
def test_damaged_infs_install_something_or_are_refused() -> None:
    chance = random.Random(2)
    words = ['"', "%", "=", ",", "\n", "\\", "0x", "-", "[Amazon.NTamd64.6.1]", "..", "\0", "AddReg", "Needs", "@"]
    kept = 0
    for _ in range(800):
        text = chance.choice([nvme_inf(), ena_inf()])
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice([*words, ""]) + text[at + chance.randrange(4) :]
        with suppress(InfBroken):
            kept += len(drivers_of(Inf("x.inf", text.encode()), chance.choice([NVME, ENA]), R2))
    assert kept > 80
