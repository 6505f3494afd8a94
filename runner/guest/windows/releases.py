"""Which Windows takes which of Amazon's packages: a table, and where each package is downloaded.

Sources, all of the Amazon EC2 User Guide: "AWS NVMe drivers" and "AWS NVMe Windows driver version releases", "Track ENA
Windows driver version releases", "Paravirtual drivers for Windows instances", "Install the latest version of EC2Launch
v2". NVMe 1.8.0 has no download there; ENA 2.2.4 and 2.5.0 were withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.drivers import Product

LATEST = "latest"
# Versions that must not be used, by the first numbers of DriverVer.
SKIPPED: dict[Product, tuple[str, ...]] = {"nvme": ("1.8.0",), "ena": ("2.2.4", "2.5.0")}


@dataclass(frozen=True)
class Wanted:
    """A package in one version; "latest" is whatever Amazon calls so on the day of the download."""

    product: Product
    version: str

    @property
    def path(self) -> str:
        """Where it lies: bucket and key of S3, in the path style that https://s3.amazonaws.com takes."""
        version, folder = self.version, "Latest" if self.version == LATEST else self.version
        match self.product:
            case "nvme":
                return f"ec2-windows-drivers-downloads/NVMe/{folder}/AWSNVMe.zip"
            case "ena":  # the newest is one folder higher than the numbered ones
                above = "ENA" if version == LATEST else "ENA/x64"
                return f"ec2-windows-drivers-downloads/{above}/{folder}/AwsEnaNetworkDriver.zip"
            case "pv":
                return f"ec2-windows-drivers-downloads/AWSPV/{folder}/AWSPVDriver.zip"
            case "ec2launch":
                return f"amazon-ec2launch-v2/windows/amd64/{version}/AmazonEC2Launch.msi"

    @property
    def file(self) -> str:
        """Its name in a bundle: `nvme-1.3.2.zip`."""
        return f"{self.product}-{self.version}.{'msi' if self.product == 'ec2launch' else 'zip'}"


@dataclass(frozen=True)
class Release:
    """A Windows. `nt` is its kernel's major and minor version; `builds` the least and the greatest build number.

    `client` tells Windows 10 and 11 from the servers of the same build.
    """

    name: str
    nt: tuple[int, int]
    builds: tuple[int, int]
    client: bool
    packages: tuple[Wanted, ...]

    @property
    def pnputil_is_old(self) -> bool:
        """Before Windows 10 pnputil knows `-i -a`, and nothing of /add-driver ("PnPUtil Command Syntax")."""
        return self.nt < (10, 0)


def _packages(nvme: str, ena: str, pv: str | None, agent: Product | None) -> tuple[Wanted, ...]:
    some = (Wanted("nvme", nvme), Wanted("ena", ena))
    return (*some, *([Wanted("pv", pv)] if pv else []), *([Wanted(agent, LATEST)] if agent else []))


_NEW = _packages(LATEST, LATEST, LATEST, "ec2launch")

# EC2Config, the agent of 2012 R2 and older, is not installed: at its first start it sets a new Administrator password
# and grows the system volume, and no driver needs it.
# Windows 11 boots by UEFI alone, which no Xen type does; Server 2025 has no PV drivers. EC2Launch v2 is for servers.
# A Windows 10 older than Server 2016's kernel is none that Amazon's drivers are made for.
RELEASES = (
    Release("Windows Server 2008 R2", (6, 1), (7600, 7601), False, _packages("1.3.2", "2.2.3", "8.3.5", None)),
    Release("Windows Server 2012", (6, 2), (9200, 9200), False, _packages("1.5.1", "2.6.0", "8.4.3", None)),
    Release("Windows Server 2012 R2", (6, 3), (9600, 9600), False, _packages("1.5.1", "2.6.0", "8.4.3", None)),
    Release("Windows Server 2016", (10, 0), (14393, 14393), False, _NEW),
    Release("Windows Server 1709", (10, 0), (16299, 16299), False, _NEW),
    Release("Windows Server 1803", (10, 0), (17134, 17134), False, _NEW),
    Release("Windows Server 2019", (10, 0), (17763, 17763), False, _NEW),
    Release("Windows Server 2022", (10, 0), (20348, 20348), False, _NEW),
    Release("Windows Server 2025", (10, 0), (26100, 26100), False, _packages(LATEST, LATEST, None, "ec2launch")),
    Release("Windows 10", (10, 0), (14393, 19045), True, _packages(LATEST, LATEST, LATEST, None)),
    Release("Windows 11", (10, 0), (22000, 26299), True, _packages(LATEST, LATEST, None, None)),
)


def release_of(nt: tuple[int, int], build: int, client: bool) -> Release | None:
    """The release of that kernel version and build, None when it is none that hotadd knows."""
    same = (each for each in RELEASES if each.nt == nt and each.client == client)
    return next((each for each in same if each.builds[0] <= build <= each.builds[1]), None)
