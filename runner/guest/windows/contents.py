"""What the archives of a bundle hold for each Windows: the drivers of their INF files, and the installers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from runner.guest.windows.archive import Archive
from runner.guest.windows.bundle_refusals import ArchiveHostile, InfBroken
from runner.guest.windows.driver import Driver
from runner.guest.windows.inf import Inf
from runner.guest.windows.install import Match, Place, Target, builds_of, drivers_of
from runner.guest.windows.kit import HOME, Installer, Kit, Payload
from runner.guest.windows.portable import has_signature, is_amd64
from runner.guest.windows.releases import Release, Wanted
from schemas.drivers import LockedPackage, Product

_WORKSTATION, _SERVER = 1, 3  # product types of TargetOSVersion
_BUILDS_MOST = 32  # of one release; Windows 10 had 14 in all
# Amazon's PCI vendor, and the class of devices that each package's driver is for.
_VENDOR = "PCI\\VEN_1D0F&"
_SERVICE_CLASS = {"nvme": "scsiadapter", "ena": "net"}
# Quietly, and without a reboot of their own: the first boot does one when all are through. %HERE% is its directory.
_COMMANDS: dict[Product, tuple[str, str]] = {
    "pv": ("AWSPVDriverSetup.msi", 'msiexec.exe /i "%HERE%{path}" /qn /norestart /l*v "%HERE%{name}.log"'),
    "ec2launch": ("AmazonEC2Launch.msi", 'msiexec.exe /i "%HERE%{path}" /qn /norestart /l*v "%HERE%{name}.log"'),
}
# Paths stand in quotes in a script of cmd: a percent sign or a quote would end what is meant.
_SAFE_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._()/-]{0,200}", re.ASCII)
# Its name is a label of the script, too.
_SAFE_INF = re.compile(r"[A-Za-z0-9_-]{1,80}\.inf", re.ASCII | re.IGNORECASE)


class Contents:
    """All archives of a bundle, opened, and their INF files, parsed."""

    def __init__(self, directory: Path, packages: Sequence[LockedPackage]) -> None:
        self._directory = directory
        self._packages = {Wanted(each.product, each.wanted): each for each in packages}
        self._archives: dict[str, Archive] = {}
        self._infs: dict[str, tuple[tuple[Place, Inf], ...]] = {}

    def __enter__(self) -> Contents:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.__exit__()

    def builds(self, release: Release) -> list[int]:
        """The builds of a release from which on it takes other drivers, its first one to begin with.

        Raises `ArchiveHostile` for more than any package tells apart.
        """
        least, greatest = release.builds
        files = [self._packages[each].file for each in release.packages if self._has_drivers(each)]
        told = {build for file in files for _, inf in self._parsed(file) for build in builds_of(inf)}
        found = [least, *sorted(build for build in told if least < build <= greatest)]
        if len(found) > _BUILDS_MOST:
            raise ArchiveHostile(", ".join(files), f"they tell {len(found)} builds of {release.name} apart")
        return found

    def missing(self, release: Release, build: int) -> list[str]:
        """The packages (or the drivers in them) that a release lacks in that build, in words."""
        said = []
        for wanted in release.packages:
            if wanted not in self._packages:
                said.append(f"{wanted.product} {wanted.version}")
            elif wanted.product in _SERVICE_CLASS and not self._drivers(wanted, release, build):
                said.append(f"a driver for it in {self._packages[wanted].file}")
        return said

    def kit(self, release: Release, build: int) -> Kit:
        """What a release takes in that build; nothing of it is missing."""
        boot: tuple[Driver, ...] = ()
        boot_files: list[Payload] = []
        staged: list[Payload] = []
        infs: list[str] = []
        installers: list[Installer] = []
        for wanted in release.packages:
            package = self._packages[wanted]
            if wanted.product not in _SERVICE_CLASS:
                payload, installer = self._installer(wanted.product, package)
                staged.append(payload)
                installers.append(installer)
                continue
            drivers = self._drivers(wanted, release, build)
            for driver in drivers:
                files = self._staged(wanted.product, driver)
                staged += [each for each in files if each not in staged]
                infs += [each.path for each in files if each.member == driver.inf and each.path not in infs]
            if wanted.product == "nvme":
                boot = drivers
                boot_files = list(dict.fromkeys(self._binary(driver) for driver in drivers))
        _check_places(staged)
        return Kit(release.name, build, boot, tuple(boot_files), tuple(staged), tuple(infs), tuple(installers))

    def _archive(self, file: str) -> Archive:
        if file not in self._archives:
            self._archives[file] = Archive(self._directory / file)
        return self._archives[file]

    def _parsed(self, file: str) -> tuple[tuple[Place, Inf], ...]:
        if file not in self._infs:
            archive = self._archive(file)
            paths = [member for member in archive.members if member.lower().endswith(".inf")]
            self._infs[file] = tuple(
                (Place(file, path, archive.members), Inf(f"{file}: {path}", archive.read(path))) for path in paths
            )
        return self._infs[file]

    def _has_drivers(self, wanted: Wanted) -> bool:
        return wanted in self._packages and wanted.product in _SERVICE_CLASS

    def _drivers(self, wanted: Wanted, release: Release, build: int) -> tuple[Driver, ...]:
        """The best driver for each service that a package has for a release in that build."""
        target = Target(*release.nt, build, _WORKSTATION if release.client else _SERVER)
        file = self._packages[wanted].file
        best: dict[str, Match] = {}
        faults = []
        for place, inf in self._parsed(file):
            try:
                found = drivers_of(inf, place, target)
            except InfBroken as fault:  # of no account where another INF of the package has what is wanted
                faults.append(fault)
                continue
            for match in found:
                driver = match.driver
                ours = any(each.startswith(_VENDOR) for each in driver.hardware_ids)
                if ours and driver.class_name.lower() == _SERVICE_CLASS[wanted.product]:
                    service = driver.service.lower()
                    best[service] = max(best.get(service, match), match, key=_quality)
        if faults and not best:
            raise faults[0]
        return tuple(match.driver for match in best.values())

    def _staged(self, product: Product, driver: Driver) -> list[Payload]:
        """All that pnputil needs to add a driver: its INF with its catalog and files, in the archive's own order."""
        above, _, name = driver.inf.rpartition("/")
        if not _SAFE_INF.fullmatch(name):
            raise ArchiveHostile(driver.archive, f"the name {name[:120]!r} has characters that a script may not hold")
        members = dict.fromkeys(
            each for each in (driver.inf, driver.catalog, *(f.member for f in driver.files)) if each
        )
        return [self._payload(driver.archive, member, f"{product}/{_below(member, above)}") for member in members]

    def _binary(self, driver: Driver) -> Payload:
        """The service's own file, checked to be for 64-bit Windows and signed. Raises `ArchiveHostile`.

        "Embedded Signatures in a Driver File": what the boot loader of an x64 Windows loads must have its signature in
        itself; the catalog beside it is looked at too late, and Windows would stop with 0xc0000428.
        """
        member = next((each.member for each in driver.files if each.name.lower() == driver.sys.lower()), None)
        data = b"" if member is None else self._archive(driver.archive).read(member)
        if member is None or not is_amd64(data):
            raise ArchiveHostile(driver.archive, f"{driver.sys} is missing, or no driver of 64-bit Windows")
        if not has_signature(data):
            raise ArchiveHostile(driver.archive, f"{driver.sys} is loaded at boot, and has no signature inside it")
        return Payload(driver.archive, member, f"/Windows/System32/drivers/{driver.sys}", self._size(driver, member))

    def _size(self, driver: Driver, member: str) -> int:
        return self._archive(driver.archive).size(member)

    def _payload(self, file: str, member: str, place: str) -> Payload:
        if not _SAFE_PATH.fullmatch(place):
            raise ArchiveHostile(file, f"the path {member[:120]!r} has characters that a script may not hold")
        return Payload(file, member, f"{HOME}/{place}", self._archive(file).size(member))

    def _installer(self, product: Product, package: LockedPackage) -> tuple[Payload, Installer]:
        """The installer under its own name, by which Windows Installer would look for it again."""
        name, command = _COMMANDS[product]
        if package.file.endswith(".msi"):
            payload = Payload(package.file, "", f"{HOME}/{product}/{name}", package.bytes)
        else:
            found = [each for each in self._archive(package.file).members if _file_name(each).lower() == name.lower()]
            if len(found) != 1:
                raise ArchiveHostile(package.file, f"it holds {len(found)} files named {name}, not one")
            payload = self._payload(package.file, found[0], f"{product}/{name}")
        path = payload.path.removeprefix(f"{HOME}/").replace("/", "\\")
        return payload, Installer(product, command.format(path=path, name=product))


def versions_in(path: Path) -> tuple[str, ...]:
    """The versions (DriverVer) of all INF files in an archive. Raises `ArchiveHostile` and `InfBroken`."""
    with Archive(path) as archive:
        infs = [Inf(member, archive.read(member)) for member in archive.members if member.lower().endswith(".inf")]
    lines = [line for inf in infs for line in inf.entries("version", "DriverVer")]
    return tuple(dict.fromkeys(line.value(1) for line in lines if line.value(1)))


def _check_places(staged: Sequence[Payload]) -> None:
    """No two files for one place, as Windows knows names. Raises `ArchiveHostile`."""
    taken: set[str] = set()
    for each in staged:
        if each.path.lower() in taken:
            raise ArchiveHostile(each.archive, f"two of its files would be {each.path}")
        taken.add(each.path.lower())


def _quality(match: Match) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return match.rank, tuple(int(part) for part in match.driver.version.split("."))


def _file_name(member: str) -> str:
    return member.rpartition("/")[2]


def _below(member: str, above: str) -> str:
    return member[len(above) + 1 :] if above else member
