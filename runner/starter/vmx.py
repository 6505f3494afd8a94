"""VMware's VMX file: the settings of a machine, `key = "value"` a line. Pure.

There is no specification. Rules after what vSphere and Workstation write: keys without regard to case, `|22` in a value
for the character of that hexadecimal number, an `.encoding` line, `#` before a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.errors import Refused

MAX_VMX = 1024 * 1024  # bytes; VMware writes some 5 KiB
_MAX_KEYS = 20_000
_LINE = re.compile(r'([A-Za-z0-9_.:$/-]{1,256})\s*=\s*"([^"]*)"\s*')
_ESCAPE = re.compile(r"\|([0-9A-Fa-f]{2})")
_SLOT = re.compile(r"(ide|scsi|sata|nvme)(\d{1,2}):(\d{1,3})\.filename")
_ADAPTER = re.compile(r"ethernet(\d{1,3})\.present")
_CONTROLLERS = ("ide", "scsi", "sata", "nvme")  # the order in which VMware's BIOS looks at them
_ENCODINGS = {"utf-8": "utf-8", "windows-1252": "cp1252", "iso-8859-1": "latin-1", "shift_jis": "shift_jis"}
_NO_DISK = ("cdrom-image", "cdrom-raw", "atapi-cdrom", "floppy", "scsi-passthru")


class VmxRefused(Refused):
    """A VMX file that breaks a rule. `line` counts from 1, 0 for the file as a whole."""

    def __init__(self, location: str, line: int, rule: str) -> None:
        where = f"{location}:{line}" if line else location
        super().__init__(f"{where} is refused: {rule}.", "Name the machine's own .vmx file.")
        self.location = location
        self.line = line
        self.rule = rule


@dataclass(frozen=True)
class VmxDisk:
    """A disk: its slot ("scsi0:1"), the controller's model ("pvscsi" or ""), the file as named, its mode or ""."""

    slot: str
    model: str
    file: str
    mode: str


@dataclass(frozen=True)
class VmxMachine:
    """What a VMX says. `memory` in bytes; 0 and "" for what it does not say (`firmware`: VMware then takes BIOS)."""

    name: str
    guest_id: str
    firmware: str
    secure_boot: bool
    memory: int
    cpus: int
    disks: tuple[VmxDisk, ...]
    networks: tuple[str, ...]


def parse_vmx(data: bytes, location: str) -> VmxMachine:
    """Read a VMX; raises `VmxRefused` with the line and the rule it breaks."""
    said = _settings(data, location)
    return VmxMachine(
        name=said.get("displayname", ""),
        guest_id=said.get("guestos", ""),
        firmware={"efi": "uefi", "bios": "bios"}.get(said.get("firmware", "").lower(), ""),
        secure_boot=_is_true(said.get("uefi.secureboot.enabled", "")),
        memory=_number(said, "memsize", location) << 20,
        cpus=_number(said, "numvcpus", location),
        disks=tuple(_disks(said)),
        networks=tuple(_networks(said)),
    )


def _settings(data: bytes, location: str) -> Mapping[str, str]:
    if len(data) > MAX_VMX:
        raise VmxRefused(location, 0, f"it has {len(data)} bytes, {MAX_VMX} are allowed")
    if b"\0" in data:
        raise VmxRefused(location, 0, "it is no text")
    named = re.search(rb'^\s*\.encoding\s*=\s*"([A-Za-z0-9_-]{1,32})"', data, re.MULTILINE)
    encoding = _ENCODINGS.get(named[1].decode().lower(), "utf-8") if named else "utf-8"
    said: dict[str, str] = {}
    for number, raw in enumerate(data.decode(encoding, "replace").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise VmxRefused(location, number, f"{line[:60]!r} is no setting")
        key = match[1].lower()
        value = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), match[2])
        if said.setdefault(key, value) != value:
            raise VmxRefused(location, number, f"{match[1]} is set a second time, to something else")
        if len(said) > _MAX_KEYS:
            raise VmxRefused(location, number, f"it has more than {_MAX_KEYS} settings")
    if "config.version" not in said and "displayname" not in said:
        raise VmxRefused(location, 0, "it is no VMX: it has neither config.version nor displayName")
    return said


def _disks(said: Mapping[str, str]) -> Iterator[VmxDisk]:
    """The disks that are present, in the order in which the firmware looks at them."""
    slots = [(match[1], int(match[2]), int(match[3])) for key in said if (match := _SLOT.fullmatch(key))]
    order = [word.strip() for word in said.get("bios.hddorder", "").lower().split(",")]

    def place(slot: tuple[str, int, int]) -> tuple[int, int, int, int]:
        name = f"{slot[0]}{slot[1]}:{slot[2]}"
        asked = order.index(name) if name in order else len(order)
        return asked, _CONTROLLERS.index(slot[0]), slot[1], slot[2]

    for kind, bus, number in sorted(slots, key=place):
        slot = f"{kind}{bus}:{number}"
        device, file = said.get(f"{slot}.devicetype", "").lower(), said[f"{slot}.filename"]
        present = _is_true(said.get(f"{slot}.present", "")) and said.get(f"{kind}{bus}.present", "true") != "false"
        if not present or device in _NO_DISK or not file.lower().endswith(".vmdk"):
            continue
        yield VmxDisk(slot, said.get(f"{kind}{bus}.virtualdev", ""), file, said.get(f"{slot}.mode", ""))


def _networks(said: Mapping[str, str]) -> Iterator[str]:
    numbers = sorted(int(match[1]) for key in said if (match := _ADAPTER.fullmatch(key)) and _is_true(said[key]))
    for number in numbers:
        of = f"ethernet{number}."
        network = said.get(of + "networkname", "") or said.get(of + "connectiontype", "")
        mac = said.get(of + "address", "") or said.get(of + "generatedaddress", "")
        words = (network, said.get(of + "virtualdev", ""), mac)
        yield ", ".join(word for word in words if word) or f"ethernet{number}"


def _is_true(value: str) -> bool:
    return value.strip().lower() == "true"


def _number(said: Mapping[str, str], key: str, location: str) -> int:
    text = said.get(key, "").strip()
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise VmxRefused(location, 0, f"{key} is {text[:20]!r}, no number")
    return int(text)
