"""A Windows driver as its INF describes it: plain values, for the registry, the file system and the first boot.

Words are those of Microsoft's INF reference ("INF File Sections and Directives"): a service-install section, dirids.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A value of an AddReg section below the service's own key (HKR there).

    `subkey` is the path from the service's key ("": the key itself), `name` the value's ("": its default), `kind` a
    REG_* number and `data` the bytes as the registry holds them (strings UTF-16LE with their NUL), in hexadecimal, so
    that the whole of it crosses a process border as JSON.
    """

    subkey: tuple[str, ...]
    name: str
    kind: int
    hex: str

    @property
    def data(self) -> bytes:
        """The bytes of the value."""
        return bytes.fromhex(self.hex)


@dataclass(frozen=True)
class DriverFile:
    """A file that the driver copies: its path inside the bundle's archive, and where it goes.

    `dirid` is the INF's number for the target directory (12: System32\\drivers; 13: the driver store, which nothing
    here writes), `name` the file's name there.
    """

    member: str
    dirid: int
    name: str


@dataclass(frozen=True)
class Driver:
    """One function driver of one INF, as it is for one Windows release.

    `sys` is the service binary's file name (it lies in dirid 12), `type`, `start` and `error_control` stand in the
    service key as they are, `dependencies` too. `hardware_ids` are upper case, as the INF's models section lists them
    for this release, compatible ids included. `class_guid` has braces and is lower case. `version` and `date` are those
    of DriverVer, the date as in the INF (mm/dd/yyyy). `archive` names the bundle's file that `inf`, `catalog` and
    `files` are members of; `catalog` is "" when the INF names none. `settings` belong below the service's key,
    `device_settings` (DDInstall.HW) below the device's own.
    """

    archive: str
    inf: str
    catalog: str
    provider: str
    description: str
    class_name: str
    class_guid: str
    date: str
    version: str
    hardware_ids: tuple[str, ...]
    install: str
    service: str
    display: str
    sys: str
    type: int
    start: int
    error_control: int
    load_group: str
    dependencies: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    device_settings: tuple[Setting, ...] = ()
    files: tuple[DriverFile, ...] = ()

    @property
    def inf_name(self) -> str:
        """The INF's file name without its folder."""
        return self.inf.rpartition("/")[2]
