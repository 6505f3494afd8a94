"""Every VMDK that qemu-img writes, and an OVA of it, holds the bytes that went in: `qemu-img compare` says so too."""

from __future__ import annotations

import random
import subprocess
from itertools import product

import pytest

from runner.blocks.extent import covering
from runner.blocks.source import open_source
from tests.runner.blocks.package_made import description

pytestmark = [pytest.mark.process, pytest.mark.thorough]

MIB = 1024 * 1024
# bytes; none is a whole GiB, and streams end inside a grain, at its end, and one sector behind
SIZES = [512, 65536, 65536 + 512, 2 * MIB - 512]
LARGE = 33 * MIB + 1536  # two grain tables
KINDS = ["data", "holes", "text", "mixed"]
FORMATS = ["monolithicSparse", "monolithicFlat", "streamOptimized", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]


def written(path, kind: str, size: int) -> None:
    """Data that cannot be compressed, holes, data that can, and all three in turn by sectors and grains."""
    rng = random.Random(f"{kind}{size}")
    with open(path, "wb") as file:
        file.truncate(size)
        at = 0
        while at < size:
            step = min(rng.choice([512, 4096, 65536, 3 * 65536, MIB]), size - at)
            what = kind if kind != "mixed" else rng.choice(KINDS[:3])
            if what != "holes":
                file.seek(at)
                file.write(rng.randbytes(step) if what == "data" else (b"%d line\n" % at * step)[:step])
            at += step


def read_to(path, source, step: int) -> None:
    with open(path, "wb") as file:
        for at in range(0, source.size, step):
            piece = bytearray(min(step, source.size - at))
            source.read_into(at, memoryview(piece))
            file.write(piece)


@pytest.mark.parametrize(("kind", "size"), [*product(KINDS, SIZES), ("mixed", LARGE)])
def test_every_format_holds_what_went_in(tmp_path, kind, size):
    raw, out = tmp_path / "disk.raw", tmp_path / "out.raw"
    written(raw, kind, size)
    content = raw.read_bytes()
    for subformat in FORMATS:
        folder = tmp_path / subformat
        folder.mkdir()
        image = folder / "disk.vmdk"
        options = ["-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}"]
        subprocess.run(["qemu-img", "convert", *options, raw, image], check=True)
        sources = [open_source(str(image), "vmdk")]
        if subformat == "streamOptimized":
            (folder / "vm.ovf").write_bytes(description("disk.vmdk", size=size))
            subprocess.run(["tar", "-C", folder, "-cf", folder / "vm.ova", "vm.ovf", "disk.vmdk"], check=True)
            sources.append(open_source(str(folder / "vm.ova"), "ova"))
        for source, step in zip(sources, (100_003, 2 * MIB), strict=False):
            for extent in covering(source.extents(), source.size):
                assert extent.kind == "data" or not any(content[extent.offset : extent.end])
            read_to(out, source, step)
            source.close()
            assert out.read_bytes() == content
            compare = ["qemu-img", "compare", "-f", "vmdk", "-F", "raw", image, out]
            assert subprocess.run(compare, capture_output=True).returncode == 0
