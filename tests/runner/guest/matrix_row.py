"""Guests of the support matrix as data: rows/<row>.yaml, one file a row, from the distributions' own files and pages.

A row may be `like` another one, and then says what differs. `@V` stands for the version of its (default) kernel.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from runner.guest import support
from runner.guest.boot import default
from runner.guest.facts import FileSystem, GuestFacts, Kernel, Mount, SymbolicLink, TextFile

ROWS = Path(__file__).parent / "rows"
_MERGED = ("release", "files", "grubenv", "mounts", "expect")
KEYS = {"about", "like", "kernel", "older", "modules", "builtin", "initramfs", "devices", "root", "firmware"} | {
    *("paths", "more_paths", "tools", *_MERGED),
}
EXPECTED = {"nitro", "xen", "network", "changed", "lines", "gone", "rebuild", "modules", "relabel"}
GIB = 1 << 30


@cache
def read(name: str) -> dict[str, Any]:
    """The row with everything that it takes from the row it is like; a text of None takes a file away."""
    own: dict[str, Any] = yaml.load((ROWS / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    assert set(own) <= KEYS and set(own.get("expect", {})) <= EXPECTED, "a misspelt key would check nothing"
    if "like" not in own:
        return own
    base = read(own["like"])
    merged = {key: {**base.get(key, {}), **own.get(key, {})} for key in _MERGED if key in base or key in own}
    if "release" in own:
        merged["release"] = own["release"]
    return {**base, **own, **merged}


def fill(name: str, text: str) -> str:
    """A text of the row with its version in it."""
    return text.replace("@V", str(read(name)["kernel"]))


def files_of(name: str) -> dict[str, str]:
    """Every file of the guest that has a text of interest: path: text."""
    row = read(name)
    blocks = {
        path: ("# GRUB Environment Block\n" + text).ljust(1024, "#") for path, text in row.get("grubenv", {}).items()
    }
    texts = {**row["release"], **row["files"], **blocks}
    return {fill(name, path): fill(name, text) for path, text in texts.items() if text is not None}


def paths_of(name: str) -> tuple[str, ...]:
    """Files that are only looked for."""
    row = read(name)
    return (*row["paths"], *row.get("more_paths", ()), *row.get("tools", ()))


def versions_of(name: str) -> tuple[str, ...]:
    """The kernels, the default one first."""
    row = read(name)
    return (str(row["kernel"]), *([str(row["older"])] if "older" in row else []))


def facts_of(name: str) -> GuestFacts:
    """The guest as the probe would find it, its initramfs without one of EC2's drivers."""
    row = read(name)
    files = tuple(TextFile(path, text) for path, text in files_of(name).items())
    release = support.release(files)
    modules, builtin = (tuple(sorted(row.get(key, ()))) for key in ("modules", "builtin"))
    images = [row["initramfs"].replace("@V", version) for version in versions_of(name)]
    kernels = tuple(
        Kernel(version, modules, builtin, image, (), 30_000_000)
        for version, image in zip(versions_of(name), images, strict=True)
    )
    places = [(*device, None, None)[:5] for device in row["devices"]]
    facts = GuestFacts(
        os="linux",
        distribution=release.id,
        version=release.version,
        product=release.product,
        firmwares=(row.get("firmware", "bios"),),
        root=row["root"],
        disks=1,
        file_systems=tuple(FileSystem(d, kind, uuid, "", "", disk, part) for d, kind, uuid, disk, part in places),
        mounts=tuple(Mount(point, device, 8 * GIB, 16 * GIB) for point, device in row["mounts"].items()),
        kernels=kernels,
        files=files,
        paths=paths_of(name),
        tables=("dos" if row.get("firmware", "bios") == "bios" else "gpt",),
        links=tuple[SymbolicLink, ...](),
    )
    return GuestFacts(**{**vars(facts), "kernels": default.marked(kernels, facts)})
