"""What an OVF description says of a machine. Pure; rules after DSP0243 (OVF 1.1.0 and 2.1.1) and what VMware writes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from runner.blocks.errors import ImageRefused
from runner.blocks.ovf_hardware import Attachment, OvfNetwork, read_hardware
from runner.blocks.ovf_units import read_count, read_units
from runner.blocks.vmdk_descriptor import MAX_SECTORS, SECTOR, check_name
from runner.blocks.xml_tree import Element, parse_xml

_MAX_DISKS = 256


@dataclass(frozen=True, slots=True)
class OvfFile:
    """A file of the package: its name, and its bytes as the description says (0: it does not)."""

    id: str
    name: str
    size: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class OvfDisk:
    """A disk: `capacity` in bytes (0 if it is not said). `file` is None for one that is made blank at deployment."""

    id: str
    file: OvfFile | None
    format: str
    capacity: int
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class OvfDescription:
    """A machine. What the description does not say is "", 0 or False; `memory` is in bytes.

    `guest_code` is CIM's number of the operating system (CIM_OperatingSystem.OSType), `guest_id` VMware's name.
    Disks are in the order of their controllers and places, which is the firmware's.
    """

    name: str
    guest_id: str
    guest_code: int
    guest_text: str
    firmware: str
    secure_boot: bool
    disks: tuple[OvfDisk, ...]
    networks: tuple[OvfNetwork, ...]
    memory: int
    cpus: int


def parse_ovf(text: bytes, location: str) -> OvfDescription:
    """Read a description of one machine; raises `ImageRefused`."""
    root = parse_xml(text, location)
    if root.name != "Envelope":
        raise ImageRefused(location, "OVF", f"its root is {root.name[:40]!r}, not Envelope")
    systems = [element for element in root.walk() if element.name in ("VirtualSystem", "Content")]
    if len(systems) != 1:
        raise ImageRefused(
            location, "VirtualSystem", f"it describes {len(systems)} machines", "Export each machine by itself."
        )
    system = systems[0]
    guest = system.first("OperatingSystemSection") or _section(system, "OperatingSystemSection")
    hardware = system.first("VirtualHardwareSection") or _section(system, "VirtualHardwareSection")
    code = guest.attributes.get("id", "") if guest else ""
    found = read_hardware(hardware, location)
    disks = _disks(root, _files(root, location), found.attachments, location)
    return OvfDescription(
        name=system.said("Name") or system.attributes.get("id", ""),
        guest_id=guest.attributes.get("osType", "") if guest else "",
        guest_code=int(code) if code.isdecimal() and code.isascii() and len(code) < 6 else 0,
        guest_text=guest.said("Description") if guest else "",
        firmware=found.firmware,
        secure_boot=found.secure_boot,
        disks=tuple(sorted(disks, key=lambda disk: disk.attachment.order)),
        networks=found.networks,
        memory=found.memory,
        cpus=found.cpus,
    )


def disk_files(text: bytes, location: str) -> tuple[OvfDisk, ...]:
    """The disks that have a file, of all machines in the package; raises `ImageRefused`."""
    root = parse_xml(text, location)
    return tuple(disk for disk in _disks(root, _files(root, location), {}, location) if disk.file is not None)


def said_files(text: bytes, location: str) -> tuple[OvfFile, ...]:
    """All files that the description names."""
    return tuple(_files(parse_xml(text, location), location).values())


def _section(system: Element, kind: str) -> Element | None:
    """OVF 0.9 says `<Section xsi:type="ovf:VirtualHardwareSection_Type">`."""
    for section in system.all("Section"):
        if kind in section.attributes.get("type", ""):
            return section
    return None


def _files(root: Element, location: str) -> dict[str, OvfFile]:
    files: dict[str, OvfFile] = {}
    for element in (child for section in root.all("References") for child in section.all("File")):
        said = element.attributes
        name, key = said.get("href", ""), said.get("id", "")
        check_name(unquote(name), location, "File href")
        if key in files:
            raise ImageRefused(location, "References", f"two files have the id {key[:40]!r}")
        if said.get("chunkSize"):
            raise ImageRefused(
                location, "chunkSize", f"{name} is split into pieces", "Join the pieces, or export the machine anew."
            )
        compression = said.get("compression", "").strip().lower()
        if compression not in ("", "identity", "gzip"):
            raise ImageRefused(location, "compression", f"{compression[:40]!r} is not supported; gzip is")
        files[key] = OvfFile(key, name, read_count(said.get("size", ""), location, "File size"), compression == "gzip")
    return files


def _disks(
    root: Element, files: dict[str, OvfFile], attachments: dict[str, Attachment], location: str
) -> list[OvfDisk]:
    disks: list[OvfDisk] = []
    sections = [s for s in root.children if s.name == "DiskSection" or "DiskSection" in s.attributes.get("type", "")]
    for element in (child for section in sections for child in section.all("Disk")):
        said = element.attributes
        key = said.get("diskId", "")
        if said.get("parentRef"):
            raise ImageRefused(
                location, "parentRef", f"disk {key[:40]!r} is a snapshot of another", "Consolidate the snapshots first."
            )
        named = said.get("fileRef", "")
        if named and named not in files:
            raise ImageRefused(location, "fileRef", f"disk {key[:40]!r} is in {named[:40]!r}, which is no file")
        if any(disk.id == key for disk in disks):
            raise ImageRefused(location, "DiskSection", f"two disks have the id {key[:40]!r}")
        if len(disks) == _MAX_DISKS:
            raise ImageRefused(location, "DiskSection", f"it has more than {_MAX_DISKS} disks")
        attachment = attachments.get(key) or attachments.get(f"file:{named}") or Attachment()
        disks.append(OvfDisk(key, files.get(named), said.get("format", ""), _capacity(said, location), attachment))
    return disks


def _capacity(said: dict[str, str], location: str) -> int:
    capacity = read_count(said.get("capacity", ""), location, "capacity") * read_units(
        said.get("capacityAllocationUnits", "byte"), location
    )
    if capacity > MAX_SECTORS * SECTOR:
        raise ImageRefused(location, "capacity", f"{capacity} bytes; {MAX_SECTORS * SECTOR} (64 TiB) are allowed")
    return capacity
