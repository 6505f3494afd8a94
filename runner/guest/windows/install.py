"""From an INF to the drivers it installs on one Windows: models section, install section, service, files. Pure.

Rules are those of Microsoft's INF reference: "INF Manufacturer Section" (which models section a Windows takes), "INF
DDInstall Section", "INF AddService Directive", "INF AddReg Directive", "INF SourceDisksFiles Section".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.guest.windows.addreg import number, settings
from runner.guest.windows.bundle_refusals import InfBroken
from runner.guest.windows.driver import Driver, DriverFile
from runner.guest.windows.inf import Inf, Line

_ASSOCIATED = 0x2  # SPSVCINST_ASSOCSERVICE: the service is the device's function driver
_DRIVERS_MOST = 64  # of one INF; Amazon's have one or two
_NEEDS_MOST = 8  # how deep Needs directives may lead
_PLATFORMS = (".ntamd64", ".nt", "")
_TARGET = re.compile(r"nt(?P<arch>[a-z]+[0-9]*)(?:\.(?P<rest>[0-9a-fx.]*))?", re.ASCII)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._-]{0,63}", re.ASCII)
_GUID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.ASCII)
_HARDWARE_ID = re.compile(r"[A-Za-z0-9*][A-Za-z0-9&_\\{}.*-]{0,198}", re.ASCII)


@dataclass(frozen=True)
class Target:
    """The Windows to install on. `product_type` is that of TargetOSVersion: 1 a workstation, 3 a server."""

    major: int
    minor: int
    build: int
    product_type: int


@dataclass(frozen=True)
class Place:
    """Where an INF lies: `path` in an archive, whose files are `members`."""

    archive: str
    path: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """A driver with how well its models section fits the Windows: the greater, the better."""

    rank: tuple[int, ...]
    driver: Driver


@dataclass(frozen=True)
class _Model:
    rank: tuple[int, ...]
    description: str
    section: str
    ids: tuple[str, ...]


def drivers_of(inf: Inf, place: Place, target: Target) -> tuple[Match, ...]:
    """The drivers that an INF installs on a 64-bit Windows, in its order; none when it is not for that Windows.

    Devices with the same install section are one driver with all their hardware ids. Raises `InfBroken`.
    """
    devices: dict[str, _Model] = {}
    for model in _models(inf, target):
        known = devices.get(model.section.lower(), model)
        devices[model.section.lower()] = replace(known, ids=tuple(dict.fromkeys(known.ids + model.ids)))
        if len(devices) > _DRIVERS_MOST:
            raise InfBroken(inf.name, f"it installs more than {_DRIVERS_MOST} drivers")
    found = []
    for model in devices.values():
        install = _platform(inf, model.section)
        service = _service(inf, install) if install is not None else None
        if install is not None and service is not None:
            found.append(Match(model.rank, _driver(inf, place, model, install, service)))
    return tuple(found)


def builds_of(inf: Inf) -> frozenset[int]:
    """The build numbers from which on an INF has other models for a Windows."""
    fields = [
        match["rest"].split(".")
        for maker in inf.lines("manufacturer")
        for text in maker.values[1:]
        if (match := _TARGET.fullmatch(text.strip().lower())) is not None and match["rest"]
    ]
    return frozenset(int(rest[4]) for rest in fields if len(rest) == 5 and rest[4].isdecimal() and len(rest[4]) < 10)


def _models(inf: Inf, target: Target) -> Iterator[_Model]:
    """The devices of the best models section that each maker has."""
    for maker in inf.lines("manufacturer"):
        name = maker.value(0) or maker.key
        ranked = [(rank, text) for text in maker.values[1:] if (rank := _rank(text, target)) is not None]
        if not ranked:  # without a decoration a models section is for 32-bit Windows alone
            continue
        rank, decoration = max(ranked)
        for line in inf.lines(f"{name}.{decoration}"):
            ids = tuple(dict.fromkeys(each.upper() for each in line.values[1:] if each))
            if any(not _HARDWARE_ID.fullmatch(each) for each in ids):
                raise InfBroken(inf.name, f"a hardware id of {line.key[:60]!r} has characters that none may have")
            if line.value(0) and ids:
                yield _Model(rank, line.key, line.value(0), ids)


def _rank(decoration: str, target: Target) -> tuple[int, ...] | None:
    """How well a TargetOSVersion fits: the newest Windows that is not newer than ours, then the most specific.

    nt[architecture][.[major][.[minor][.[product type][.[suite mask][.[build]]]]]]
    """
    match = _TARGET.fullmatch(decoration.strip().lower())
    if match is None or match["arch"] != "amd64":
        return None
    fields = [*(match["rest"] or "").split("."), *[""] * 5][:5]
    try:
        major, minor, product, suite, build = (int(text, 0) if text else None for text in fields)
    except ValueError:
        return None
    if (major or 0, minor or 0) > (target.major, target.minor) or suite:
        return None
    if (product or target.product_type) != target.product_type or (build or 0) > target.build:
        return None
    return major or 0, minor or 0, build or 0, product or 0


def _platform(inf: Inf, section: str) -> str | None:
    return next((section + platform for platform in _PLATFORMS if inf.has(section + platform)), None)


def _service(inf: Inf, install: str) -> Line | None:
    """The AddService of the device's function driver; None when the section installs none (a filter, a null driver)."""
    added = [line for section in _with_needs(inf, install) for line in inf.entries(section + ".services", "AddService")]
    named = [line for line in added if line.value(0)]
    return next((line for line in named if number(inf, line.value(1) or "0") & _ASSOCIATED), None)


def _with_needs(inf: Inf, section: str) -> tuple[str, ...]:
    """The section and those of the same INF that it Needs. What other INFs give (Include) is the guest's own."""
    found, queue = [section], [section]
    for _ in range(_NEEDS_MOST):
        queue = [name for each in queue for line in inf.entries(each, "Needs") for name in line.values]
        queue = [name for name in queue if inf.has(name) and name not in found]
        if not queue:
            return tuple(found)
        found += dict.fromkeys(queue)
    raise InfBroken(inf.name, f"its sections need one another more than {_NEEDS_MOST} deep")


def _driver(inf: Inf, place: Place, model: _Model, install: str, service: Line) -> Driver:
    name, section = service.value(0), service.value(2)
    if not inf.has(section):
        raise InfBroken(inf.name, f"the service-install section {section[:60]!r} is missing")
    binary = inf.entry(section, "ServiceBinary").replace("/", "\\").rpartition("\\")[2]
    guid = inf.entry("version", "ClassGuid").lower()
    for what, text, rule in (("service", name, _PLAIN_NAME), ("file", binary, _PLAIN_NAME), ("class", guid, _GUID)):
        if not rule.fullmatch(text):
            raise InfBroken(inf.name, f"the {what} {text[:60]!r} has no name that Windows takes")
    sections = _with_needs(inf, install)
    date, version = _driver_version(inf, sections)
    return Driver(
        archive=place.archive,
        inf=place.path,
        catalog=_catalog(inf, place),
        provider=inf.entry("version", "Provider"),
        description=model.description,
        class_name=inf.entry("version", "Class"),
        class_guid=guid,
        date=date,
        version=version,
        hardware_ids=model.ids,
        install=install,
        service=name,
        display=inf.entry(section, "DisplayName") or name,
        sys=binary,
        type=number(inf, inf.entry(section, "ServiceType")),
        start=number(inf, inf.entry(section, "StartType")),
        error_control=number(inf, inf.entry(section, "ErrorControl")),
        load_group=inf.entry(section, "LoadOrderGroup"),
        dependencies=tuple(each for line in inf.entries(section, "Dependencies") for each in line.values if each),
        settings=settings(inf, [section]),
        device_settings=settings(inf, [each + ".hw" for each in sections]),
        files=_files(inf, sections, place),
    )


def _driver_version(inf: Inf, sections: Sequence[str]) -> tuple[str, str]:
    lines = [line for section in (*sections, "version") for line in inf.entries(section, "DriverVer")]
    if not lines or not re.fullmatch(r"[0-9]{2}/[0-9]{2}/[0-9]{4}", lines[0].value(0)):
        raise InfBroken(inf.name, "it has no DriverVer with a date")
    if not re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,5}){0,3}", lines[0].value(1)):
        raise InfBroken(inf.name, f"the version {lines[0].value(1)[:40]!r} is none")
    return lines[0].value(0), lines[0].value(1)


def _catalog(inf: Inf, place: Place) -> str:
    keys = ("CatalogFile.ntamd64", "CatalogFile.nt", "CatalogFile")
    name = next((found for key in keys if (found := inf.entry("version", key))), "")
    return _beside(place, name) if name else ""


def _files(inf: Inf, sections: Sequence[str], place: Place) -> tuple[DriverFile, ...]:
    found: dict[tuple[int, str], DriverFile] = {}
    for listed in [name for section in sections for line in inf.entries(section, "CopyFiles") for name in line.values]:
        single = listed.startswith("@")
        where = inf.entries("destinationdirs", "DefaultDestDir" if single else listed)
        where = where or inf.entries("destinationdirs", "DefaultDestDir")
        dirid = number(inf, where[0].value(0)) if where and where[0].value(0).isdigit() else 0
        for line in (Line("", (listed[1:],)),) if single else inf.lines(listed):
            name = line.value(0)
            member = _source(inf, place, line.value(1) or name)
            found.setdefault((dirid, name.lower()), DriverFile(member, dirid, name))
    return tuple(found.values())


def _source(inf: Inf, place: Place, name: str) -> str:
    """Where a file lies in the archive: below the INF, in the folders of SourceDisksNames and SourceDisksFiles."""
    for files, names in (
        ("sourcedisksfiles.amd64", "sourcedisksnames.amd64"),
        ("sourcedisksfiles", "sourcedisksnames"),
    ):
        for line in inf.entries(files, name):
            disk = (*inf.entries(names, line.value(0)), *inf.entries("sourcedisksnames", line.value(0)))
            folders = [disk[0].value(3) if disk else "", line.value(1)]
            return _beside(place, "/".join([*folders, name]))
    return _beside(place, name)


def _beside(place: Place, name: str) -> str:
    """The member that a path from the INF's folder leads to, whatever its case. Raises `InfBroken`."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    wanted = "/".join([*place.path.split("/")[:-1], *parts])
    found = next((each for each in place.members if each.lower() == wanted.lower()), None)
    if found is None:
        raise InfBroken(place.path, f"it copies {wanted[:120]!r}, which the archive lacks")
    return found
