"""The support matrix is what the issue asks for, the documents show it, and releases are found in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.guest import support, support_page
from runner.guest.facts import TextFile
from runner.guest.windows.releases import release_of
from schemas.guests import WindowsRow, linux_row, matrix, windows_row

PAGE = Path(__file__).parents[3] / "docs" / "guests.md"

# The releases that are promised, as os-release(5) has them on each; from the list that the project was given.
PROMISED = [
    *((name, version) for name in ("centos", "ol", "rhel") for version in ("6.10", "7.9", "8.10", "9.4", "10.0")),
    *((name, version) for name in ("almalinux", "rocky") for version in ("9.4", "10.0")),
    *(("sles", version) for version in ("15", "15.6", "16.0")),
    *(("ubuntu", version) for version in ("14.04", "14.10", "15.04", "16.04", "16.10", "17.04", "18.04", "20.04")),
    *(("ubuntu", version) for version in ("21.10", "22.04", "22.10", "24.04")),
    *(("debian", version) for version in ("10", "11", "12", "13")),
    *(("amzn", version) for version in ("2", "2023")),
]
UNLISTED = [("debian", "1"), ("debian", "9"), ("ubuntu", "14"), ("ubuntu", "2"), ("rhel", "5.11"), ("fedora", "40")]
UNLISTED += [("", ""), ("rhel", ""), ("sles", "12.5"), ("amzn", "2018.03"), ("ubuntu", "23.10"), ("sles", "150")]

# CurrentBuild, InstallationType, EditionID as Windows has them in its registry.
WINDOWS = {
    **{(7601, "Server", f"Server{name}"): "2008 R2" for name in ("Standard", "Web", "Datacenter", "Enterprise")},
    (9200, "Server", "ServerDatacenter"): "2012",
    (9600, "Server Core", "ServerStandard"): "2012 R2",
    (14393, "Server", "ServerDatacenter"): "2016",
    (16299, "Server Core", "ServerDatacenterACor"): "1709",
    (17134, "Server Core", "ServerStandardACor"): "1803",
    (17763, "Server", "ServerDatacenter"): "2019",
    (17763, "Server", "ServerStandardEval"): "2019",
    (20348, "Server", "ServerStandard"): "2022",
    (26100, "Server", "ServerDatacenter"): "2025",
    **{(19045, "Client", name): "Windows 10" for name in ("Core", "Professional", "Enterprise", "Education")},
    (22631, "Client", "Professional"): "Windows 11",
    # "Windows 10 editions" by EditionID: LTSC is EnterpriseS; N is without the media player.
    **{(19044, "Client", name): "Windows 10" for name in ("EnterpriseS", "EnterpriseSN", "CoreSingleLanguage")},
    **{(26100, "Client", name): "Windows 11" for name in ("EnterpriseS", "CoreN", "ProfessionalN", "EducationN")},
}
NOT_WINDOWS = [
    (6003, "Server", "ServerStandard"),
    (14393, "Nano Server", "ServerDatacenterNano"),
    (9200, "Client", "Pro"),
]
NOT_WINDOWS += [(19045, "Server", "ServerStandard"), (26100, "Server", "Professional")]

# The first line of each file, as the distributions' release packages have it.
RELEASES = {
    ("rhel", "6.10"): {"/etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"},
    ("centos", "6.10"): {"/etc/centos-release": "CentOS release 6.10 (Final)\n"},
    ("centos", "7.9.2009"): {"/etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n"},
    ("ol", "6.10"): {
        "/etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
        "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
    },
    ("sles", "11.4"): {"/etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"},
    ("debian", "7.11"): {"/etc/debian_version": "7.11\n"},
    ("ubuntu", "14.04"): {
        "/etc/os-release": 'NAME="Ubuntu"\nVERSION="14.04.6 LTS, Trusty Tahr"\nID=ubuntu\nID_LIKE=debian\n'
        'PRETTY_NAME="Ubuntu 14.04.6 LTS"\nVERSION_ID="14.04"\n',
        "/etc/debian_version": "jessie/sid\n",
    },
    ("", ""): {"/etc/redhat-release": "Something else\n"},
}


@pytest.mark.parametrize(("name", "version"), PROMISED)
def test_every_promised_release_has_a_row(name: str, version: str) -> None:
    row = linux_row(name, version)
    assert row is not None and name in row.distributions
    assert version.startswith(row.versions[0])


@pytest.mark.parametrize(("name", "version"), UNLISTED)
def test_other_releases_have_none(name: str, version: str) -> None:
    assert linux_row(name, version) is None


def test_windows_by_build_installation_and_edition() -> None:
    for (build, installation, edition), name in WINDOWS.items():
        row = windows_row(build, installation, edition)
        assert row is not None and row.name.endswith(name), (build, installation, edition)
    assert [one for one in NOT_WINDOWS if windows_row(*one)] == []


@pytest.mark.parametrize("told", RELEASES, ids="-".join)
def test_a_release_is_told_by_the_files_that_it_has(told: tuple[str, str]) -> None:
    found = support.release(tuple(TextFile(path, text) for path, text in RELEASES[told].items()))
    assert (found.id, found.version) == told


def test_rows_are_told_apart() -> None:
    ids = [row.id for row in (*matrix().linux, *matrix().windows)]
    assert len(ids) == len(set(ids))
    owned = [(name, version) for row in matrix().linux for name in row.distributions for version in row.versions]
    assert len(owned) == len(set(owned))


def test_the_page_shows_the_matrix() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert support_page.page(text) == text, "run `make guests-page`"
    assert all(row.name in text for row in (*matrix().linux, *matrix().windows))


KERNELS = {7600: (6, 1), 7601: (6, 1), 9200: (6, 2), 9600: (6, 3)}  # Windows' version numbers; 10.0 from 2016 on


@pytest.mark.parametrize("row", matrix().windows, ids=[row.id for row in matrix().windows])
def test_amazons_drivers_are_known_for_every_windows_of_the_matrix(row: WindowsRow) -> None:
    for build in {row.first_build, row.last_build}:
        found = release_of(KERNELS.get(build, (10, 0)), build, client="Client" in row.installations)
        assert found is not None, build
        products = {package.product for package in found.packages}
        assert {"nvme", "ena"} <= products
        assert ("pv" in products) is (row.xen == "yes")
