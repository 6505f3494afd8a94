"""How each tool is called. A call is a list of words; `sh` where a peer takes two commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HOTADD = Path(sys.executable).with_name("hotadd")
READ_VMDK = Path(__file__).with_name("read_vmdk.py")
READ_OURS = Path(__file__).with_name("read_ours.py")


@dataclass(frozen=True)
class Places:
    """What a call is made of. `since` is the digest file of what the target holds; `scratch` is empty each time."""

    source: Path
    target: Path
    scratch: Path
    since: Path
    changes: Path
    block: bool


Call = Callable[[Places], list[str]]


def ours(*words: str, format: str = "raw") -> Call:
    return lambda p: [
        *[str(HOTADD), "copy", str(p.source), str(p.target), "--format", format, "--json"],
        *["--zeroes", "skip", "--digests", str(p.scratch / "digests"), *words],
    ]


def ours_since(*words: str, listed: bool = False) -> Call:
    return lambda p: [
        *[str(HOTADD), "copy", str(p.source), str(p.target), "--json", "--since", str(p.since), *words],
        *(["--changes", str(p.changes)] if listed else []),
        *["--digests", str(p.scratch / "digests")],
    ]


def qemu_img(format: str = "raw") -> Call:
    return lambda p: [
        *["qemu-img", "convert", "-n", "-W", "-m", "8", "--target-is-zero"],
        *[*(["-t", "none"] if p.block else []), "-f", format, "-O", "raw", str(p.source), str(p.target)],
    ]


def untar_then_qemu_img(p: Places) -> list[str]:
    inner = Places(p.scratch / "disk.vmdk", p.target, p.scratch, p.since, p.changes, p.block)
    unpack = f"tar -x -C {shlex.quote(str(p.scratch))} -f {shlex.quote(str(p.source))}"
    return ["sh", "-c", f"{unpack} && {shlex.join(qemu_img('vmdk')(inner))}"]


def nbdcopy(p: Places) -> list[str]:
    return ["nbdcopy", "--destination-is-zero", *(["--flush"] if p.block else []), str(p.source), str(p.target)]


def cp(p: Places) -> list[str]:
    return ["cp", "--sparse=never", str(p.source), str(p.target)]


def rsync(p: Places) -> list[str]:
    return ["rsync", "--inplace", "--no-whole-file", "--ignore-times", str(p.source), str(p.target)]


def cat(p: Places) -> list[str]:
    return ["sh", "-c", f"cat {shlex.quote(str(p.source))} > /dev/null"]


def libvmdk(p: Places) -> list[str]:
    return [sys.executable, str(READ_VMDK), str(p.source)]


def ours_reading(p: Places) -> list[str]:
    return [sys.executable, str(READ_OURS), str(p.source)]
