"""Registry hives made for tests: an empty one from bytes, filled by hivex itself, in the shapes that each Windows has.

Values of keys that matter are those of real hives (a Windows 7, an 8.1 and a 10, see shared/hives): what a service of
Windows' own looks like, where partmgr keeps its policy, how a firewall rule is written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hivex

SZ, EXPAND_SZ, BINARY, DWORD, MULTI_SZ = 1, 2, 3, 4, 7
Values = Mapping[str, object]
Tree = Mapping[str, Values]
SHA2 = ("KB3033929", "KB4474419")
TOOLS_CODE = "{F32C4E7B-2BF8-4788-8408-824C6896E1BB}"


def _cell(content: bytes) -> bytes:
    size = (len(content) + 4 + 7) & ~7
    return struct.pack("<i", -size) + content.ljust(size - 4, b"\0")


def empty(sequence: int = 1) -> bytes:
    """A hive with a root key and nothing in it: a base block and one bin of 4096 bytes."""
    root_at = 32
    name = b"ROOT"
    security_at = root_at + len(_cell(bytes(76) + name))
    root = struct.pack(
        "<2sHQIIIIIIIIII", b"nk", 0x2C, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF, security_at, 0xFFFFFFFF
    )
    root = root.ljust(72, b"\0") + struct.pack("<HH", len(name), 0) + name
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    security = struct.pack("<2sHIIII", b"sk", 0, security_at, security_at, 1, len(descriptor)) + descriptor
    cells = _cell(root) + _cell(security)
    free = 4096 - 32 - len(cells)
    content = b"hbin" + struct.pack("<II", 0, 4096) + bytes(20) + cells + struct.pack("<i", free) + bytes(free - 4)
    head = struct.pack("<4sIIQIIIIIII", b"regf", sequence, sequence, 0, 1, 5, 0, 1, root_at, 4096, 1)
    return sealed(head.ljust(4096, b"\0")) + content


def sealed(block: bytes) -> bytes:
    """A base block with its checksum made right: the exclusive-or of its first 508 bytes, word by word."""
    value = 0
    for (word,) in struct.iter_unpack("<I", block[:508]):
        value ^= word
    return block[:508] + struct.pack("<I", value) + block[512:]


def renumbered(hive: bytes, primary: int, secondary: int, written: int = 0) -> bytes:
    """A hive with other sequence numbers and another time of its last write."""
    head = hive[:4] + struct.pack("<IIQ", primary, secondary, written) + hive[20:4096]
    return sealed(head) + hive[4096:]


def rooted(hive: bytes, root: int) -> bytes:
    """A hive whose root key is said to lie at another byte of the bins."""
    return sealed(hive[:36] + struct.pack("<I", root) + hive[40:4096]) + hive[4096:]


def widened(hive: bytes, size: int) -> bytes:
    """A hive with empty bins behind its own, so that its bins have `size` bytes."""
    (own,) = struct.unpack_from("<I", hive, 40)
    free = struct.pack("<i", 4064).ljust(4064, b"\0")
    more = b"".join(b"hbin" + struct.pack("<II", at, 4096) + bytes(20) + free for at in range(own, size, 4096))
    return sealed(hive[:40] + struct.pack("<I", size) + hive[44:4096]) + hive[4096 : 4096 + own] + more


def data_of(value: object) -> tuple[int, bytes]:
    """The kind and bytes of a value: int is REG_DWORD, str REG_SZ, tuple REG_MULTI_SZ, or (kind, bytes or str)."""
    match value:
        case int():
            return DWORD, struct.pack("<I", value)
        case str():
            return SZ, (value + "\0").encode("utf-16-le")
        case (int() as kind, bytes() as data):
            return kind, data
        case (int() as kind, str() as text):
            return kind, (text + "\0").encode("utf-16-le")
        case tuple():
            return MULTI_SZ, ("".join(f"{part}\0" for part in value) + "\0").encode("utf-16-le")
    raise ValueError(value)


def make(path: Path, tree: Tree) -> Path:
    """Write a hive of these keys ("A\\B": {name: value}) to a file, through hivex."""
    path.write_bytes(empty())
    hive = hivex.Hivex(str(path), write=True)
    for key, values in tree.items():
        node = hive.root()
        for part in key.split("\\"):
            child = hive.node_get_child(node, part)
            node = child if child is not None else hive.node_add_child(node, part)
        for name, value in values.items():
            kind, data = data_of(value)
            hive.node_set_value(node, {"key": name, "t": kind, "value": data})
    hive.commit(None)
    return path


@dataclass(frozen=True)
class Made:
    """One Windows to make hives of. `control_set` is the number that Select\\Current says."""

    product: str
    version: str
    build: int
    edition: str = "ServerStandard"
    installation: str = "Server"
    architecture: str = "AMD64"
    control_set: int = 1
    driver_database: bool = True
    updates: tuple[str, ...] = ()
    tools: bool = True

    @property
    def set_name(self) -> str:
        return f"ControlSet{self.control_set:03}"


WINDOWS_2008_R2 = Made(
    "Windows Server 2008 R2 Standard", "6.1", 7601, control_set=2, driver_database=False, updates=SHA2[:1]
)
WINDOWS_2012_R2 = Made("Windows Server 2012 R2 Standard", "6.3", 9600)
WINDOWS_2019 = Made("Windows Server 2019 Datacenter", "10.0", 17763, "ServerDatacenter")
WINDOWS_2025 = Made("Windows Server 2025 Standard", "10.0", 26100)
EVERY = {"2008r2": WINDOWS_2008_R2, "2012r2": WINDOWS_2012_R2, "2019": WINDOWS_2019, "2025": WINDOWS_2025}

_RULE = (
    "v2.22|Action=Allow|Active={active}|Dir=In|Protocol=6|LPort={port}|App=%SystemRoot%\\system32\\svchost.exe"
    "|Svc=termservice|Name=@FirewallAPI.dll,-28775|"
)


def _driver(name: str, group: str, start: int) -> dict[str, object]:
    path = (EXPAND_SZ, f"System32\\drivers\\{name}.sys")
    return {"Type": 1, "Start": start, "ErrorControl": 3, "Group": group, "ImagePath": path}


def system_tree(made: Made) -> dict[str, Values]:
    """The keys of a SYSTEM hive."""
    own = made.set_name
    services = f"{own}\\Services"
    tree: dict[str, Values] = {
        "Select": {"Current": made.control_set, "Default": made.control_set, "Failed": 0, "LastKnownGood": 3},
        "Setup": {"SystemSetupInProgress": 0, "OOBEInProgress": 0, "CmdLine": "", "SetupType": 0},
        f"{own}\\Control\\Session Manager": {"ProtectionMode": 1},
        f"{own}\\Control\\Session Manager\\Environment": {"PROCESSOR_ARCHITECTURE": made.architecture},
        f"{own}\\Control\\CrashControl": {"AutoReboot": 1, "CrashDumpEnabled": 7},
        f"{own}\\Control\\TimeZoneInformation": {"Bias": 480, "TimeZoneKeyName": "Pacific Standard Time"},
        f"{own}\\Control\\Terminal Server": {"fDenyTSConnections": 1, "TSUserEnabled": 0},
        f"{services}\\atapi": _driver("atapi", "SCSI Miniport", 0),
        f"{services}\\intelide": _driver("intelide", "System Bus Extender", 3),
        f"{services}\\pciide": _driver("pciide", "System Bus Extender", 3),
        f"{services}\\partmgr": _driver("partmgr", "Boot Bus Extender", 0),
        f"{services}\\pvscsi": _driver("pvscsi", "SCSI Miniport", 0),
        f"{services}\\TermService": {"Type": 32, "Start": 4, "ErrorControl": 1},
        f"{services}\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules": {
            "RemoteDesktop-UserMode-In-TCP": _RULE.format(active="FALSE", port=3389),
            "RemoteDesktop-Shadow-In-TCP": _RULE.format(active="FALSE", port=5000),
            "Other-In-TCP": _RULE.format(active="FALSE", port=3389),
        },
        # Another control set, which is not the current one: nothing there may change.
        "ControlSet003\\Services\\atapi": _driver("atapi", "SCSI Miniport", 3),
        "ControlSet003\\Control\\CrashControl": {"AutoReboot": 1},
    }
    if made.tools:
        tree |= {
            f"{services}\\VMTools": {"Type": 16, "Start": 2, "ErrorControl": 1, "DisplayName": "VMware Tools"},
            f"{services}\\VMMEMCTL": {"Type": 1, "Start": 2, "ErrorControl": 0},
        }
    if made.driver_database:
        tree |= {
            f"{services}\\stornvme": _driver("stornvme", "SCSI Miniport", 0),
            f"{services}\\stornvme\\StartOverride": {"0": 3},
            f"{services}\\atapi\\StartOverride": {"0": 3},
            "DriverDatabase": {"Version": 0x0A000000, "Architecture": 9},
            "DriverDatabase\\DeviceIds\\PCI\\CC_010802": {"stornvme.inf": (BINARY, bytes.fromhex("01ff0000"))},
            "DriverDatabase\\DriverInfFiles\\stornvme.inf": {
                "": ("stornvme.inf_amd64_822f29bfb80b20e8",),
                "Active": "stornvme.inf_amd64_822f29bfb80b20e8",
            },
            "DriverDatabase\\DriverPackages\\stornvme.inf_amd64_822f29bfb80b20e8": {"": "stornvme.inf"},
        }
    else:
        tree[f"{own}\\Control\\CriticalDeviceDatabase\\PCI#CC_0101"] = {
            "Service": "pciide",
            "ClassGUID": "{4D36E96A-E325-11CE-BFC1-08002BE10318}",
        }
    return tree


def software_tree(made: Made) -> dict[str, Values]:
    """The keys of a SOFTWARE hive."""
    current: dict[str, object] = {
        "ProductName": made.product,
        "EditionID": made.edition,
        "InstallationType": made.installation,
        "CurrentBuild": str(made.build),
        "CurrentBuildNumber": str(made.build),
        "CurrentVersion": made.version if made.version != "10.0" else "6.3",
    }
    if made.version == "10.0":
        current |= {"CurrentMajorVersionNumber": 10, "CurrentMinorVersionNumber": 0, "ReleaseId": "1809"}
    windows = "Microsoft\\Windows\\CurrentVersion"
    tree: dict[str, Values] = {"Microsoft\\Windows NT\\CurrentVersion": current, windows: {"ProgramFilesDir": "C:\\"}}
    for update in made.updates:
        package = f"Package_for_{update}~31bf3856ad364e35~amd64~~6.1.1.1"
        tree[f"{windows}\\Component Based Servicing\\Packages\\{package}"] = {"CurrentState": 0x70}
    if made.tools:
        tree[f"{windows}\\Uninstall\\{TOOLS_CODE}"] = {"DisplayName": "VMware Tools", "WindowsInstaller": 1}
    return tree


def system(path: Path, made: Made) -> Path:
    """A SYSTEM hive in a file."""
    return make(path, system_tree(made))


def software(path: Path, made: Made) -> Path:
    """A SOFTWARE hive in a file."""
    return make(path, software_tree(made))
