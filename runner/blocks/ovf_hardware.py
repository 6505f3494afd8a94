"""The virtual hardware of an OVF description. Pure; numbers after CIM_ResourceAllocationSettingData (DSP0243, 8.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.blocks.errors import ImageRefused
from runner.blocks.ovf_units import read_count, read_units
from runner.blocks.xml_tree import Element

_CPU, _MEMORY, _ETHERNET, _DISK = 3, 4, 10, 17
_CONTROLLERS = {5: "ide", 6: "scsi", 20: "other"}
_MAX_ITEMS = 1024
_UNKNOWN = 1 << 30  # sorts behind every number that is said


@dataclass(frozen=True, slots=True)
class Attachment:
    """How a disk is attached. -1 is a number, and "" a word, that the description does not say.

    `controller` is ide, scsi, sata, nvme or other; `model` as the description says it ("VirtualSCSI"); `bus` the
    controller's number, `place` the disk's on it.
    """

    controller: str = ""
    model: str = ""
    bus: int = -1
    place: int = -1

    @property
    def order(self) -> tuple[int, int]:
        """Sorts as firmware looks at disks: by controller, then by place; what is not known comes last."""
        return (self.bus if self.bus >= 0 else _UNKNOWN, self.place if self.place >= 0 else _UNKNOWN)


@dataclass(frozen=True, slots=True)
class OvfNetwork:
    """A network adapter: the network's name, the model as said ("VmxNet3"), and a MAC address or ""."""

    name: str
    model: str
    mac: str


@dataclass(slots=True)
class Hardware:
    """What the section says. Disks by their id, or by "file:" and the file's id."""

    attachments: dict[str, Attachment] = field(default_factory=dict)
    networks: tuple[OvfNetwork, ...] = ()
    memory: int = 0
    cpus: int = 0
    firmware: str = ""
    secure_boot: bool = False


def read_hardware(section: Element | None, location: str) -> Hardware:
    """Read the section; raises `ImageRefused`."""
    found = Hardware()
    if section is None:
        return found
    items = [*section.all("Item", "StorageItem", "EthernetPortItem")]
    if len(items) > _MAX_ITEMS:
        raise ImageRefused(location, "VirtualHardwareSection", f"it has more than {_MAX_ITEMS} items")
    controllers = {item.said("InstanceID") or item.said("InstanceId"): item for item in items}
    networks: list[OvfNetwork] = []
    for item in items:
        kind = read_count(item.said("ResourceType"), location, "ResourceType")
        if kind == _CPU:
            found.cpus = read_count(item.said("VirtualQuantity"), location, "VirtualQuantity")
        elif kind == _MEMORY:
            unit = read_units(item.said("AllocationUnits") or "byte * 2^20", location)
            found.memory = read_count(item.said("VirtualQuantity"), location, "VirtualQuantity") * unit
        elif kind == _ETHERNET:
            networks.append(OvfNetwork(item.said("Connection"), item.said("ResourceSubType"), item.said("Address")))
        elif kind == _DISK:
            # "ovf:/disk/vmdisk1", in OVF 0.9 "disk/vmdisk1"; a file stands there without a disk section's entry.
            where, _, name = item.said("HostResource").rpartition("/")
            key = f"file:{name}" if where.endswith("file") else name
            if key:
                found.attachments[key] = _attachment(item, controllers.get(item.said("Parent")), location)
    found.networks = tuple(networks)
    _read_settings(section, found)
    return found


def _attachment(disk: Element, controller: Element | None, location: str) -> Attachment:
    place = _number(disk, "AddressOnParent", location)
    if controller is None:
        return Attachment(place=place)
    kind = _CONTROLLERS.get(read_count(controller.said("ResourceType"), location, "ResourceType"), "")
    model = controller.said("ResourceSubType")
    if kind == "other":
        words = f"{model} {controller.said('ElementName')}".lower()
        kind = next((known for known in ("nvme", "sata") if known in words), "sata" if "ahci" in words else "other")
    return Attachment(kind, model, _number(controller, "Address", location), place)


def _number(item: Element, name: str, location: str) -> int:
    said = item.said(name)
    return read_count(said, location, name) if said else -1


def _read_settings(section: Element, found: Hardware) -> None:
    """VMware's own settings: `<vmw:Config vmw:key="firmware" vmw:value="efi"/>`, without which it means BIOS."""
    for config in section.all("Config", "ExtraConfig"):
        key, value = config.attributes.get("key", "").lower(), config.attributes.get("value", "").lower()
        if key == "firmware" and value in ("bios", "efi"):
            found.firmware = value
        elif key in ("bootoptions.efisecurebootenabled", "uefi.secureboot.enabled"):
            found.secure_boot = value == "true"
