"""A bundle: what each Windows takes out of it, and what becomes of one that is not whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner.guest.windows.bundle import LOCK, open_bundle, read_payload
from runner.guest.windows.bundle_refusals import (
    ArchiveChanged,
    ArchiveHostile,
    BundleIncomplete,
    BundleMissing,
    InfBroken,
)
from runner.guest.windows.kit import Bundle
from runner.guest.windows.releases import RELEASES, Wanted, release_of
from schemas.document import DocumentDamaged, structure, unstructure
from tests.runner.guest.windows.packages import (
    ena_files,
    every_package,
    kit_of,
    nvme_files,
    nvme_inf,
    portable,
    write_bundle,
    zipped,
)

# Amazon EC2 User Guide: NVMe, ENA, PV, agent. "Paravirtual drivers for Windows instances", "Track ENA
# Windows driver version releases", "AWS NVMe drivers"; EC2Launch v2 "supports" the servers from 2016 on.
TAKEN = {
    "Windows Server 2008 R2": ("1.3.2", "2.2.3", "8.3.5", None),
    "Windows Server 2012": ("1.5.1", "2.6.0", "8.4.3", None),
    "Windows Server 2012 R2": ("1.5.1", "2.6.0", "8.4.3", None),
    "Windows Server 2016": ("latest", "latest", "latest", "ec2launch"),
    "Windows Server 1709": ("latest", "latest", "latest", "ec2launch"),
    "Windows Server 1803": ("latest", "latest", "latest", "ec2launch"),
    "Windows Server 2019": ("latest", "latest", "latest", "ec2launch"),
    "Windows Server 2022": ("latest", "latest", "latest", "ec2launch"),
    "Windows Server 2025": ("latest", "latest", None, "ec2launch"),
    "Windows 10": ("latest", "latest", "latest", None),
    "Windows 11": ("latest", "latest", None, None),
}
# Build numbers of Microsoft's "Windows Server release information" and "Windows 10/11 release information".
BUILDS = [
    ((6, 1), 7601, False, "Windows Server 2008 R2"),
    ((6, 2), 9200, False, "Windows Server 2012"),
    ((6, 3), 9600, False, "Windows Server 2012 R2"),
    ((10, 0), 14393, False, "Windows Server 2016"),
    ((10, 0), 16299, False, "Windows Server 1709"),
    ((10, 0), 17134, False, "Windows Server 1803"),
    ((10, 0), 17763, False, "Windows Server 2019"),
    ((10, 0), 20348, False, "Windows Server 2022"),
    ((10, 0), 26100, False, "Windows Server 2025"),
    ((10, 0), 17763, True, "Windows 10"),
    ((10, 0), 19045, True, "Windows 10"),
    ((10, 0), 22631, True, "Windows 11"),
    ((10, 0), 26100, True, "Windows 11"),
    ((6, 1), 7601, True, None),
    ((6, 0), 6002, False, None),
    ((10, 0), 10240, True, None),
    ((10, 0), 18363, False, None),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(write_bundle(tmp_path_factory.mktemp("bundle")))


def test_the_table_is_what_amazon_documents() -> None:
    versions = {
        release.name: {package.product: package.version for package in release.packages} for release in RELEASES
    }
    agents = {"ec2launch"}
    said = {
        name: (of["nvme"], of["ena"], of.get("pv"), next((each for each in of if each in agents), None))
        for name, of in versions.items()
    }
    assert said == TAKEN


@pytest.mark.parametrize(("nt", "build", "client", "name"), BUILDS)
def test_a_windows_is_known_by_its_build(nt: tuple[int, int], build: int, client: bool, name: str | None) -> None:
    found = release_of(nt, build, client)
    assert (None if found is None else found.name) == name


def test_each_package_is_where_amazon_puts_it() -> None:
    assert {package.path for release in RELEASES for package in release.packages} == {
        "ec2-windows-drivers-downloads/NVMe/1.3.2/AWSNVMe.zip",
        "ec2-windows-drivers-downloads/NVMe/1.5.1/AWSNVMe.zip",
        "ec2-windows-drivers-downloads/NVMe/Latest/AWSNVMe.zip",
        "ec2-windows-drivers-downloads/ENA/x64/2.2.3/AwsEnaNetworkDriver.zip",
        "ec2-windows-drivers-downloads/ENA/x64/2.6.0/AwsEnaNetworkDriver.zip",
        "ec2-windows-drivers-downloads/ENA/Latest/AwsEnaNetworkDriver.zip",
        "ec2-windows-drivers-downloads/AWSPV/8.3.5/AWSPVDriver.zip",
        "ec2-windows-drivers-downloads/AWSPV/8.4.3/AWSPVDriver.zip",
        "ec2-windows-drivers-downloads/AWSPV/Latest/AWSPVDriver.zip",
        "amazon-ec2launch-v2/windows/amd64/latest/AmazonEC2Launch.msi",
    }


@pytest.mark.parametrize("release", TAKEN)
def test_a_whole_bundle_serves_every_windows(bundle: Bundle, release: str) -> None:
    kit = kit_of(bundle, release)
    nvme, _, pv, agent = TAKEN[release]
    assert [(driver.service, driver.sys) for driver in kit.boot] == [("AWSNVMe", "AWSNVMe.sys")]
    assert kit.boot[0].version.startswith("1.8.1." if nvme == "latest" else f"{nvme}.")
    assert [file.path for file in kit.boot_files] == ["/Windows/System32/drivers/AWSNVMe.sys"]
    assert kit.infs == ("/Windows/hotadd/nvme/awsnvme.inf", "/Windows/hotadd/ena/ena.inf")
    assert [each.name for each in kit.installers] == [name for name in ("pv" if pv else None, agent) if name]
    staged = {payload.path for payload in kit.staged}
    assert staged >= {*kit.infs, "/Windows/hotadd/nvme/AWSNVMe.cat", "/Windows/hotadd/ena/bin/x64/ena.sys"}
    assert ("/Windows/hotadd/pv/AWSPVDriverSetup.msi" in staged) == bool(pv)
    for payload in (*kit.staged, *kit.boot_files):
        assert len(read_payload(Path(bundle.directory), payload)) == payload.size
    version = kit.boot[0].version.encode()
    assert read_payload(Path(bundle.directory), kit.boot_files[0]) == portable() + version


def test_it_crosses_a_process_border(bundle: Bundle) -> None:
    assert structure(json.loads(json.dumps(unstructure(bundle))), Bundle) == bundle


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    directory = write_bundle(tmp_path)
    with (directory / "ena-2.2.3.zip").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArchiveChanged) as caught:
        open_bundle(directory)
    assert caught.value.exit_code == 4 and caught.value.file.endswith("ena-2.2.3.zip")


def test_what_is_missing_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    some = {wanted: data for wanted, data in every_package().items() if wanted.product != "pv"}
    bundle = open_bundle(write_bundle(tmp_path, some))
    assert {kit.release for kit in bundle.kits} == {"Windows Server 2025", "Windows 11"}
    with pytest.raises(BundleIncomplete) as caught:
        kit_of(bundle, "Windows Server 2012")
    assert caught.value.missing == "pv 8.4.3"
    assert f"hotadd drivers fetch {tmp_path}" in caught.value.hint and caught.value.exit_code == 3
    with pytest.raises(BundleIncomplete):
        bundle.for_release("Windows XP", 2600)


def test_a_package_without_a_driver_for_that_windows_counts_as_missing(tmp_path: Path) -> None:
    packages = every_package()
    packages[Wanted("nvme", "latest")] = zipped(nvme_files("1.9.0.1", ", NTamd64.10.0...17763"))
    bundle = open_bundle(write_bundle(tmp_path, packages))
    lacking = ("Windows Server 2016", "Windows Server 1709", "Windows Server 1803", "Windows 10")
    assert {lack.release for lack in bundle.lacks} == set(lacking)
    assert {lack.missing for lack in bundle.lacks} == {"a driver for it in nvme-latest.zip"}
    assert bundle.for_release("Windows 10", 17763).boot[0].version == "1.9.0.1"
    with pytest.raises(BundleIncomplete):
        bundle.for_release("Windows 10", 17762)


@pytest.mark.parametrize(("build", "version"), [(14393, 1), (16298, 1), (16299, 2), (18363, 2), (19041, 3), (19045, 3)])
def test_a_guest_takes_the_drivers_of_its_own_build(tmp_path: Path, build: int, version: int) -> None:
    """Windows 10 is many builds; a models section for 10.0...16299 is for those from 16299 on alone."""
    files = [
        nvme_files(f"1.9.0.{number}", f", NTamd64.10.0...{least}")
        for number, least in ((1, 14393), (2, 16299), (3, 19041))
    ]
    moved = {f"{number}/{name}": data for number, each in enumerate(files) for name, data in each.items()}
    packages = {**every_package(), Wanted("nvme", "latest"): zipped(moved)}
    kit = open_bundle(write_bundle(tmp_path, packages)).for_release("Windows 10", build)
    assert kit.boot[0].version == f"1.9.0.{version}"


def test_a_package_that_tells_more_builds_apart_than_there_are_is_refused(tmp_path: Path) -> None:
    many = "".join(f", NTamd64.10.0...{build}" for build in range(15000, 15100))
    packages = {**every_package(), Wanted("nvme", "latest"): zipped(nvme_files("1.9.0.1", many))}
    with pytest.raises(ArchiveHostile, match="builds of Windows 10 apart"):
        open_bundle(write_bundle(tmp_path, packages))


def test_of_two_infs_the_better_one_is_taken(tmp_path: Path) -> None:
    old = {f"w7/{name.rpartition('/')[2]}": data for name, data in nvme_files("9.0.0.1").items()}
    packages = every_package()
    packages[Wanted("nvme", "latest")] = zipped({**old, **nvme_files("1.9.0.1", ", NTamd64.10.0")})
    (driver,) = kit_of(open_bundle(write_bundle(tmp_path, packages)), "Windows Server 2019").boot
    assert (driver.version, driver.inf) == ("1.9.0.1", "AWSNVMe/awsnvme.inf")


def renamed_source(folder: str) -> bytes:
    """An ENA package whose driver lies in a folder of that name."""
    files = ena_files("2.2.3.0")
    files["ena.inf"] = files["ena.inf"].replace(b"ena.sys = 1,x64", f"ena.sys = 1,{folder}".encode())
    files[f"bin/{folder}/ena.sys"] = files.pop("bin/x64/ena.sys")
    return zipped(files)


@pytest.mark.parametrize("change", [("Class       = SCSIAdapter", "Class = System"), ("1D0F", "8086")])
def test_a_driver_for_something_else_is_not_taken_along(tmp_path: Path, change: tuple[str, str]) -> None:
    other = nvme_inf("1.5.1.99").replace("AddService = AWSNVMe", "AddService = other").replace("1d0f", "1D0F")
    other = other.replace(*change)
    nvme = zipped({**nvme_files("1.5.1.33"), "AWSNVMe/other.inf": other.encode()})
    bundle = open_bundle(write_bundle(tmp_path, {**every_package(), Wanted("nvme", "1.5.1"): nvme}))
    kit = kit_of(bundle, "Windows Server 2012 R2")
    assert [driver.service for driver in kit.boot] == ["AWSNVMe"] and len(kit.infs) == 2


def test_what_two_drivers_share_is_staged_once(tmp_path: Path) -> None:
    second = nvme_inf("1.5.1.33").replace("AddService = AWSNVMe", "AddService = Second")
    nvme = zipped({**nvme_files("1.5.1.33"), "AWSNVMe/second.inf": second.encode()})
    bundle = open_bundle(write_bundle(tmp_path, {**every_package(), Wanted("nvme", "1.5.1"): nvme}))
    kit = kit_of(bundle, "Windows Server 2012")
    assert [driver.service for driver in kit.boot] == ["AWSNVMe", "Second"] and len(kit.infs) == 3
    assert len(kit.boot_files) == 1
    staged = [payload.path for payload in kit.staged]
    assert len(staged) == len(set(staged)) and staged.count("/Windows/hotadd/nvme/AWSNVMe.sys") == 1


def test_a_client_takes_the_models_for_clients(tmp_path: Path) -> None:
    packages = every_package()
    packages[Wanted("nvme", "latest")] = zipped(nvme_files("1.9.0.1", ", NTamd64.10.0.1"))
    bundle = open_bundle(write_bundle(tmp_path, packages))
    assert {kit.release for kit in bundle.kits if kit.boot[0].version == "1.9.0.1"} == {"Windows 10", "Windows 11"}
    assert "Windows Server 2019" in {lack.release for lack in bundle.lacks}


BAD = {
    "a driver for another processor": (
        Wanted("nvme", "1.3.2"),
        zipped({**nvme_files("1.3.2.0"), "AWSNVMe/AWSNVMe.sys": portable(0xAA64)}),
    ),
    "a driver that is no program": (
        Wanted("nvme", "1.3.2"),
        zipped({**nvme_files("1.3.2.0"), "AWSNVMe/AWSNVMe.sys": b"MZ"}),
    ),
    "a boot driver without a signature of its own": (
        Wanted("nvme", "1.3.2"),
        zipped({**nvme_files("1.3.2.0"), "AWSNVMe/AWSNVMe.sys": portable(signed=False)}),
    ),
    "no installer": (Wanted("pv", "8.3.5"), zipped({"other.msi": b""})),
    "two installers": (Wanted("pv", "8.3.5"), zipped({"a/AWSPVDriverSetup.msi": b"", "b/awspvdriversetup.MSI": b""})),
    "a path that ends a quoted word of cmd": (Wanted("ena", "2.2.3"), renamed_source("a&b")),
    "two files for one place": (
        Wanted("nvme", "1.3.2"),
        zipped(
            {
                **nvme_files("1.3.2.0"),
                **{f"b/{name}": data for name, data in nvme_files("1.3.2.0").items()},
                "b/AWSNVMe/awsnvme.inf": nvme_inf("1.3.2.0").replace("AddService = AWSNVMe", "AddService = B").encode(),
            }
        ),
    ),
    "an INF whose name is no label of cmd": (
        Wanted("ena", "2.2.3"),
        zipped({**ena_files(), "e na.inf": ena_files()["ena.inf"].replace(b"= ena,", b"= ena2,")}),
    ),
    "an archive that is none": (Wanted("ena", "2.2.3"), b"PK, but no archive"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_package_that_is_none_is_refused_though_the_lock_pins_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveHostile):
        open_bundle(write_bundle(tmp_path, {**every_package(), **dict([BAD[name]])}))


def test_a_folder_above_the_inf_does_not_reach_the_script(tmp_path: Path) -> None:
    above = zipped({"a%PATH%/" + name: data for name, data in ena_files("2.2.3.0").items()})
    bundle = open_bundle(write_bundle(tmp_path, {**every_package(), Wanted("ena", "2.2.3"): above}))
    assert kit_of(bundle, "Windows Server 2008 R2").infs[1] == "/Windows/hotadd/ena/ena.inf"


def test_a_broken_inf_counts_only_where_no_other_serves(tmp_path: Path) -> None:
    ena = Wanted("ena", "2.2.3")
    broken = ena_files()["ena.inf"].replace(b"StartType = 3", b"StartType = never")
    beside = zipped({**ena_files("2.2.3.0"), "other/ena2.inf": broken})
    assert open_bundle(write_bundle(tmp_path, {**every_package(), ena: beside})).lacks == ()
    alone = zipped({**ena_files("2.2.3.0"), "ena.inf": broken})
    with pytest.raises(InfBroken, match="'never' is no number"):
        open_bundle(write_bundle(tmp_path, {**every_package(), ena: alone}))


def test_the_documentation_says_what_the_table_says() -> None:
    page = (Path(__file__).parents[4] / "docs" / "windows.md").read_text(encoding="utf-8")
    table = page.partition("| Windows | NVMe |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    agents = {"EC2Launch v2": "ec2launch", "none": None}
    assert {
        f"Windows {name}": (nvme, ena, None if pv == "none" else pv, agents[agent])
        for names, nvme, ena, pv, agent in rows
        for name in names.split(", ")
    } == TAKEN


def test_a_directory_without_a_lock_is_no_bundle(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleMissing) as caught:
            open_bundle(directory)
        assert "hotadd drivers fetch" in caught.value.hint
    write_bundle(tmp_path)
    (tmp_path / "pv-8.3.5.zip").unlink()
    with pytest.raises(BundleMissing, match=r"pv-8\.3\.5\.zip cannot be read"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("change", ["{}", "not json", '{"version": 1, "packages": [], "more": 1}'])
def test_a_damaged_lock_is_refused(change: str, tmp_path: Path) -> None:
    write_bundle(tmp_path)
    (tmp_path / LOCK).write_text(change)
    with pytest.raises(DocumentDamaged):
        open_bundle(tmp_path)


def test_a_lock_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    lock = json.loads((tmp_path / LOCK).read_text())
    lock["packages"][0]["file"] = "../../etc/passwd"
    (tmp_path / LOCK).write_text(json.dumps(lock))
    with pytest.raises(DocumentDamaged):
        open_bundle(tmp_path)


def test_a_copy_elsewhere_is_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    for name in bundle.files:
        (tmp_path / name).write_bytes((Path(bundle.directory) / name).read_bytes())
    assert open_bundle(tmp_path) == replace(bundle, directory=str(tmp_path))
