"""Driver packages as Amazon's are built, made up after Microsoft's INF reference: what a bundle is tested with.

No file of Amazon's is here: names of services, classes and hardware ids are the public ones.
"""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from runner.guest.windows.bundle import LOCK
from runner.guest.windows.kit import Bundle, Kit
from runner.guest.windows.releases import RELEASES, Wanted
from schemas.document import write_document
from schemas.drivers import DriversLock, LockedPackage

NVME_INF = r"""; AWS NVMe, a storport miniport
[Version]
Signature   = "$WINDOWS NT$"
Class       = SCSIAdapter
ClassGuid   = {4D36E97B-E325-11CE-BFC1-08002BE10318}
Provider    = %AMZN%
CatalogFile = AWSNVMe.cat
DriverVer   = {{date}},{{version}}

[SourceDisksNames]
1 = %DiskName%,,,

[SourceDisksFiles]
AWSNVMe.sys = 1

[DestinationDirs]
DefaultDestDir = 12 ; drivers

[Manufacturer]
%AMZN% = Amazon{{decorations}}

{{models}}
[NVMe_Inst.NTamd64]
CopyFiles = NVMe_Copy

[NVMe_Copy]
AWSNVMe.sys,,,1

[NVMe_Inst.NTamd64.Services]
AddService = AWSNVMe, %SPSVCINST_ASSOCSERVICE%, NVMe_Service, NVMe_Log

[NVMe_Inst.NTamd64.HW]
AddReg = NVMe_Msi

[NVMe_Msi]
HKR, "Interrupt Management",, 0x00000010
HKR, "Interrupt Management\MessageSignaledInterruptProperties",, 0x00000010
HKR, "Interrupt Management\MessageSignaledInterruptProperties", MSISupported, 0x00010001, 1

[NVMe_Service]
DisplayName    = %ServiceName%
ServiceType    = %SERVICE_KERNEL_DRIVER%
StartType      = 0x0
ErrorControl   = %SERVICE_ERROR_CRITICAL%
ServiceBinary  = %12%\AWSNVMe.sys
LoadOrderGroup = SCSI Miniport
AddReg         = NVMe_Pnp

[NVMe_Pnp]
HKR, "Parameters\PnpInterface", "5", %REG_DWORD%, 0x00000001
HKR, "Parameters", "BusType", %REG_DWORD%, 0x00000011
HKR, "Parameters\Device", "Names", 0x00010000, "a, b", "c"

[NVMe_Log]
AddReg = NVMe_EventLog

[NVMe_EventLog]
HKR,,EventMessageFile,0x00020000,"%%SystemRoot%%\System32\IoLogMsg.dll"

[Strings]
AMZN        = "Amazon Inc."
DiskName    = "AWS NVMe Installation Disk"
ServiceName = "AWS NVMe; Storage"
EBS         = "AWS NVMe Elastic Block Storage Adapter"
Ephemeral   = "AWS NVMe EC2 Ephemeral Disk Controller"
SPSVCINST_ASSOCSERVICE = 0x00000002
SERVICE_KERNEL_DRIVER  = 1
SERVICE_ERROR_CRITICAL = 3
REG_DWORD              = 0x00010001
"""

NVME_MODELS = r"""%EBS%       = NVMe_Inst, PCI\VEN_1D0F&DEV_8061
%Ephemeral% = NVMe_Inst, PCI\VEN_1d0f&DEV_CD00, \
              PCI\VEN_1D0F&DEV_CD01
"""

ENA_INF = r"""[Version]
Signature = "$Windows NT$"
Class = Net
ClassGuid = {4d36e972-e325-11ce-bfc1-08002be10318}
Provider = %Amazon%
CatalogFile.NTamd64 = ena.cat
DriverVer = {{date}},{{version}}
PnpLockdown = 1

[Manufacturer]
%Amazon% = ENA, NTamd64.6.1, NTamd64.10.0

[ENA.NTamd64.6.1]
%Name% = ENA_Old.ndi, PCI\VEN_1D0F&DEV_EC20, PCI\VEN_1D0F&DEV_EC21

[ENA.NTamd64.10.0]
%Name% = ENA_New.ndi, PCI\VEN_1D0F&DEV_EC20
%Name% = ENA_New.ndi, PCI\VEN_1D0F&DEV_EC21

[ENA_Old.ndi]
Characteristics = 0x84
BusType = 5
CopyFiles = ENA_Copy
Needs = ENA_Common

[ENA_New.ndi]
Characteristics = 0x84
BusType = 5
CopyFiles = ENA_Copy
Needs = ENA_Common

[ENA_Common]
AddReg = ENA_Reg

[ENA_Reg]
HKR, Ndi, Service, 0, "ena"

[ENA_Old.ndi.Services]
AddService = ena, 2, ENA_Service

[ENA_New.ndi.Services]
AddService = ena, 2, ENA_Service

[ENA_Service]
ServiceType = 1
StartType = 3
ErrorControl = 1
ServiceBinary = %12%\ena.sys
LoadOrderGroup = NDIS
Dependencies = NDIS

[ENA_Copy]
ena.sys

[SourceDisksNames.amd64]
1 = "disk",,,bin

[SourceDisksFiles.amd64]
ena.sys = 1,x64

[DestinationDirs]
ENA_Copy = 12

[Strings]
Amazon = "Amazon"
Name = "Amazon Elastic Network Adapter"
"""


def portable(machine: int = 0x8664, *, signed: bool = True) -> bytes:
    """The headers of a 64-bit PE file, and a certificate without content ("PE Format": offsets and sizes are there)."""
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 0, 0, 0, 0, 240, 0x22)
    directories = bytearray(16 * 8)
    certificate = struct.pack("<IHH", 24, 0x0200, 2) + b"PKCS #7".ljust(16, b"\0")
    if signed:
        struct.pack_into("<II", directories, 4 * 8, len(dos) + len(coff) + 240, len(certificate))
    optional = struct.pack("<H", 0x20B).ljust(108, b"\0") + struct.pack("<I", 16) + directories
    return dos + coff + optional + certificate


def nvme_inf(version: str = "1.5.0.33", decorations: str = ", NTamd64.6.1", date: str = "07/19/2023") -> str:
    targets = [each.strip() for each in decorations.split(",") if each.strip()]
    models = "".join(f"[Amazon.{each}]\n{NVME_MODELS}\n" for each in targets)
    filled = {"{{version}}": version, "{{date}}": date, "{{decorations}}": decorations, "{{models}}": models}
    text = NVME_INF
    for name, value in filled.items():
        text = text.replace(name, value)
    return text


def ena_inf(version: str = "2.2.3.0", date: str = "02/01/2021") -> str:
    return ENA_INF.replace("{{version}}", version).replace("{{date}}", date)


def nvme_files(version: str = "1.5.0.33", decorations: str = ", NTamd64.6.1") -> dict[str, bytes]:
    return {
        "AWSNVMe/awsnvme.inf": nvme_inf(version, decorations).replace("\n", "\r\n").encode("utf-16"),
        "AWSNVMe/AWSNVMe.sys": portable() + version.encode(),
        "AWSNVMe/AWSNVMe.cat": b"catalog",
        "install.ps1": b"# not used",
    }


def ena_files(version: str = "2.2.3.0") -> dict[str, bytes]:
    return {
        "ena.inf": ena_inf(version).encode(),
        "bin/x64/ena.sys": portable() + version.encode(),
        "ena.cat": b"catalog",
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    return written.getvalue()


def package(wanted: Wanted) -> bytes:
    """The bytes of a package of a version."""
    match wanted.product:
        case "nvme":
            new = wanted.version == "latest"
            version = "1.8.1.5" if new else f"{wanted.version}.33"
            return zipped(nvme_files(version, ", NTamd64.10.0...14393" if new else ", NTamd64.6.1"))
        case "ena":
            return zipped(ena_files("2.11.0.0" if wanted.version == "latest" else f"{wanted.version}.0"))
        case "pv":
            return zipped({"AWSPVDriverSetup.msi": b"msi " + wanted.version.encode(), "install.ps1": b"#"})
        case "ec2launch":
            return bytes.fromhex("d0cf11e0a1b11ae1") + b"msi of EC2Launch v2"


def every_package() -> dict[Wanted, bytes]:
    return {wanted: package(wanted) for release in RELEASES for wanted in release.packages}


def kit_of(bundle: Bundle, release: str) -> Kit:
    """What the newest build of a release takes."""
    return bundle.for_release(release, next(each.builds[1] for each in RELEASES if each.name == release))


def write_bundle(directory: Path, packages: Mapping[Wanted, bytes] | None = None) -> Path:
    """A bundle in a directory, with its lock; by default with all that any release takes."""
    packages = every_package() if packages is None else packages
    directory.mkdir(parents=True, exist_ok=True)
    locked = []
    for wanted, data in packages.items():
        (directory / wanted.file).write_bytes(data)
        url = f"https://s3.amazonaws.com/{wanted.path}"
        digest = hashlib.sha256(data).hexdigest()
        locked.append(LockedPackage(wanted.product, wanted.version, url, wanted.file, len(data), digest))
    (directory / LOCK).write_text(write_document(DriversLock(1, tuple(locked)), "drivers"))
    return directory
