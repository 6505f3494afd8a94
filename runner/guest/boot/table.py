"""Boot loaders' files with command lines of kernels in them, whatever the loader: each is changed as text. Pure.

No tool of a boot loader runs: in the appliance it would see the appliance's disks and firmware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.guest import devices
from runner.guest.boot import efi, grub_defaults, grubenv, kernel_line, root, script
from runner.guest.edits import KEPT, Aside, Step, Write
from runner.guest.facts import GuestFacts, Options, TextFile
from runner.guest.network.shape import BACKUP
from runner.guest.refusals import BootLoaderUnknown, StaticNetwork

ENTRIES = "/boot/loader/entries"
LEGACY = ("/boot/grub/grub.conf", "/boot/grub/menu.lst")
_MAPS = ("/boot/grub/device.map", "/boot/grub2/device.map")


@dataclass(frozen=True)
class Kind:
    """A kind of file. `lines` match a line with a command line as (before)(its words)(after).

    `boots` says that a boot loader starts kernels from it; `keep` that the old file stays beside the new one, under its
    name with `suffix`.
    """

    name: str
    path: str
    lines: tuple[str, ...]
    boots: bool = True
    keep: bool = True
    suffix: str = KEPT


# A RHEL 9 wrapper in EFI/<vendor>/grub.cfg, or Debian's, has no such line: it only points to the file in /boot.
KINDS = (
    Kind(
        "GRUB 2",
        r"/boot/(?:grub2?|efi/EFI/[^/]+)/(?:grub|custom)\.cfg",
        (script.KERNEL, r"(\s*set\s+kernelopts=\")([^\"]*)(\"[\s\S]*)"),
    ),
    # systemd's Boot Loader Specification; no name of a copy beside an entry ends in .conf.
    Kind("BLS", rf"{ENTRIES}/[^/]+\.conf", (r"(options)([ \t].*)(\n?)",)),
    Kind("GRUB environment", grubenv.PATHS, (r"(kernelopts=)(.*)(\n?)",), boots=False, keep=False),
    Kind(
        "GRUB legacy",
        r"/boot/(?:grub|efi/EFI/[^/]+)/(?:grub\.conf|menu\.lst)",
        (r"(\s*kernel\s+(?:--\S+\s+)*(?!\S*memtest)\S+)(.*)(\n?)", r"(# kopt=)(.*)(\n?)"),
    ),
    # The administrator's own entries for the next grub.cfg. grub-mkconfig runs every file there but for those with "~".
    Kind("grub.d", r"/etc/grub\.d/4[01]_custom", (script.KERNEL,), boots=False, suffix=BACKUP),
    # kernel-install(8): the command line of the entries for the guest's next kernels.
    Kind("kernel-install", r"/etc/kernel/cmdline", (r"()([^\s#].*)(\n?)",), boots=False),
)

FILES = (
    *(f"/boot/{directory}/{name}.cfg" for directory in ("grub", "grub2") for name in ("grub", "custom")),
    *grubenv.FILES,
    *LEGACY,
    *_MAPS,
    "/boot/grub/default",
    *(f"/etc/grub.d/{name}" for name in ("40_custom", "41_custom")),
    "/etc/kernel/cmdline",
    *grub_defaults.FILES,
)
DIRECTORIES = ((ENTRIES, r".+\.conf"), *grub_defaults.DIRECTORIES)


def decide(facts: GuestFacts, options: Options) -> list[Step]:
    """The edits to all boot loaders' files.

    Raises `BootLoaderUnknown` without any, what `root.check` raises, `StaticNetwork` for an address that must stay,
    `EnvironmentFull`, and what `efi.decide` raises.
    """
    found = loaders(facts)
    if not found:
        raise BootLoaderUnknown(
            facts.product, "GRUB 2, GRUB legacy and loader entries in /boot and on the EFI partition"
        )
    steps: list[Step] = []
    entries: list[root.Entry] = []
    for kind, file in _files(facts):
        text, lines = _changed(file, kind, facts)
        entries += lines if kind.boots or kind.name == "GRUB environment" else []
        fixed = next(((entry.number, entry.line.address) for entry in lines if entry.line.address), None)
        if fixed and options.network == "keep":
            raise StaticNetwork(file.path, *fixed)
        if text != file.text:
            keep = kind.keep and not (file.path == LEGACY[1] and facts.text(LEGACY[0]) == file.text)  # a link to it
            steps.append(Write(file.path, text, _why(file.text, kind), keep=keep, suffix=kind.suffix))
    root.check(entries, facts)
    return [*steps, *grub_defaults.decide(facts), *_device_maps(facts), *efi.decide(facts, options)]


def loaders(facts: GuestFacts) -> tuple[tuple[str, str], ...]:
    """(kind, path) of every file that a boot loader starts a kernel from."""
    return tuple((kind.name, file.path) for kind, file in _files(facts) if kind.boots)


def _files(facts: GuestFacts) -> list[tuple[Kind, TextFile]]:
    return [(kind, file) for kind in KINDS for file in facts.files if re.fullmatch(kind.path, file.path)]


def _changed(file: TextFile, kind: Kind, facts: GuestFacts) -> tuple[str, list[root.Entry]]:
    """The new text, and the command lines that are in it before."""
    lines = script.lines(file.text) if script.KERNEL in kind.lines else file.text.splitlines(keepends=True)
    found: list[root.Entry] = []
    above = 0
    for number, text in enumerate(lines):
        match = next((m for pattern in kind.lines if (m := re.fullmatch(pattern, text))), None)
        if match:
            before, said, after = match.groups()
            words = script.words(said)
            line = kernel_line.changed(words, facts)
            found.append(root.Entry(file.path, above + 1, line, _image(kind, file, before)))
            if list(line.words) != words:
                space = "" if before == "" or before.endswith(("=", '"')) else " "
                lines[number] = f"{before}{space}{' '.join(line.words)}{after}"
        above += text.count("\n")
    new = "".join(lines)
    if new != file.text and re.fullmatch(grubenv.PATHS, file.path):
        new = grubenv.padded(file.path, new, grubenv.bytes_of(file.text))
    return new, found


def _image(kind: Kind, file: TextFile, before: str) -> str | None:
    """The text that names the kernel of a command line: see `root.Entry`."""
    if before.rstrip('"').endswith("="):  # kernelopts, "# kopt="
        return None
    return file.text if kind.name == "BLS" else before


def _why(old: str, kind: Kind) -> str:
    why = "the root by UUID, a serial console, EC2's disk timeout, and network interfaces named eth0, eth1, ..."
    return why if kind.keep else f"{why}; it was {grubenv.settings(old).get('kernelopts', '')}"


def _device_maps(facts: GuestFacts) -> list[Step]:
    why = "it names VMware's disks; without it GRUB looks for itself"
    named = [path for path in _MAPS if any(devices.is_unstable(word) for word in (facts.text(path) or "").split())]
    return [Aside(path, why) for path in named]
