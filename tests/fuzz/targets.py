"""What is fuzzed: a file goes in, and only bytes within bounds or one of our errors may come out."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from runner.blocks.extent import covering
from runner.blocks.ovf import disk_files, parse_ovf, said_files
from runner.blocks.package import check_package, describe_package
from runner.blocks.source import Source, read_source
from runner.guest.windows.inf import Inf
from runner.guest.windows.install import Place, drivers_of
from runner.guest.windows.install import Target as Target64
from schemas.errors import HotaddError
from tests.fuzz.memory_file import MemoryFile
from tests.fuzz.mutations import changed, changes, replacements
from tests.runner.blocks.package_made import archive, description, manifest
from tests.runner.blocks.vmdk_made import SECTOR, sparse, streamed, text
from tests.runner.guest.windows.packages import ena_files, ena_inf, nvme_files, nvme_inf

_MOST = 4 * 1024 * 1024  # bytes read of a disk that opens
_OVF = Path(__file__).parent.parent / "runner" / "blocks" / "ovf"
_FLAT = {"flat": bytes(range(256)) * 16}


@dataclass(frozen=True)
class Target:
    """`files` makes changed files, `check` reads one; it raises whatever is no `HotaddError`."""

    files: Callable[[], st.SearchStrategy[bytes]]
    check: Callable[[bytes], None]


def read_some(source: Source) -> None:
    """All extents of a small disk, the first of a large one, and the bytes of the first that hold data."""
    if source.size < 1 << 32:
        extents: Iterator = covering(source.extents(), source.size)
    else:
        extents = source.extents()
    left = _MOST
    for extent in islice(extents, 2000):
        length = min(extent.length, left)
        if extent.kind == "data" and length:
            source.read_into(extent.offset, memoryview(bytearray(length)))
            left -= length
    for at in {0, source.size - 1, source.size // 2}:
        source.read_into(at, memoryview(bytearray(1)))


def check_vmdk(image: bytes) -> None:
    try:
        read_some(read_source(MemoryFile("disk.vmdk", image, _FLAT), "vmdk"))
    except HotaddError as error:
        _look_at(error)


def check_ovf(image: bytes) -> None:
    for parse in (parse_ovf, disk_files, said_files):
        try:
            parse(image, "vm.ovf")
        except HotaddError as error:
            _look_at(error)


def check_ova(image: bytes) -> None:
    for read in (
        lambda file: read_some(read_source(file, "ova")),
        lambda file: check_package(file, "ova"),
        lambda file: describe_package(file, "ova"),
    ):
        try:
            read(MemoryFile("vm.ova", image))
        except HotaddError as error:
            _look_at(error)


def _look_at(error: HotaddError) -> None:
    """An error that a terminal can show: no control characters of the image's, and no novel."""
    assert len(str(error)) < 2000, "the message is too long"
    assert error.sentence.isprintable() and error.hint.isprintable(), f"control characters: {error!r}"


@cache
def _vmdks() -> list[bytes]:
    content = bytes(range(256)) * 256 + bytes(65536) + b"abc" * 30000
    content = content[: len(content) // SECTOR * SECTOR]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        made = []
        for make, options in ((sparse, {}), (streamed, {}), (sparse, {"flags": 7}), (streamed, {"sectors": 16})):
            make(path, content, **options)
            made.append(path.read_bytes())
    made.append(text("monolithicFlat", 'RW 8 FLAT "flat" 0', "RW 9 ZERO"))
    return made


def _vmdk_files() -> st.SearchStrategy[bytes]:
    fields = [0, 4, 8, 12, 20, 28, 36, 44, 48, 56, 64, 72, 73, 77]
    places = [*fields, *(-1024 + field for field in fields), 512, 21 * SECTOR, 22 * SECTOR, 22 * SECTOR + 4]
    places += [128 * SECTOR + n for n in (0, 8, 12, 13)] + [-512, -1536, -2048, 600, 640]
    words = [b"KDMV", b"COWD", b"../../etc/passwd", b'createType="vmfsSparse"', b"parentCID=1", b'RW 8 FLAT "flat" 0\n']
    words += [b"RW 99999999999999999999 ZERO\n", b"\0" * 600, b"\xff" * 64, b"x\x9c", b"\x1b[31m"]
    return st.builds(changed, st.sampled_from(_vmdks()), changes(places, words))


_XML_WORDS = [b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x1b;", b"\xff\xfe", b"]]>", b"<![CDATA["]
_XML_WORDS += [
    b"<Item>",
    b"</Item>",
    b"<VirtualSystem/>",
    b'ovf:compression="gzip"',
    b'ovf:chunkSize="1"',
    b"\0",
    b"-1",
]
_XML_WORDS += [
    b"-1",
    b"99999999999999999999",
    b"${x}",
    b"byte * 2^99",
    b"\xd9\xa3",
    b"ovf:/file/file1",
    b"../x",
    b" " * 70,
]


# Values and texts, and whole elements: what is replaced by them stays well-formed.
_XML_PIECES = re.compile(
    rb'"([^"<>]*)"|>([^<>]*[^<>\s][^<>]*)<|(<Item.*?</Item>|<(?:Disk|File|vmw:Config)[^>]*/>)', re.DOTALL
)


def _descriptions() -> list[bytes]:
    return [path.read_bytes() for path in sorted(_OVF.glob("*.ovf"))] + [description("disk.vmdk", "b.vmdk", size=9)]


def _ovf_files() -> st.SearchStrategy[bytes]:
    made = _descriptions()
    damaged = st.builds(changed, st.sampled_from(made), changes(list(range(0, 6000, 37)), _XML_WORDS))
    return st.one_of(*(replacements(text, _XML_PIECES, _XML_WORDS) for text in made), damaged)


@cache
def _ovas() -> list[bytes]:
    disk = _vmdks()[1]
    made = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        for more, data in (("", disk), ('ovf:compression="gzip"', gzip.compress(disk, mtime=0))):
            listed = [("vm.ovf", description("disk.vmdk", more=more)), ("disk.vmdk", data)]
            for entries in ([listed[0], ("vm.mf", manifest(listed)), listed[1]], [listed[0], ("x", b""), listed[1]]):
                archive(path, entries)
                made.append(path.read_bytes())
    return made


def _ova_files() -> st.SearchStrategy[bytes]:
    """Headers changed, with right sums again; and packages that are right, of changed files."""
    heads = [0, 1536, 2560]  # of the three files' headers, as the archives above are laid out
    places = [head + field for head in heads for field in (0, 1, 124, 125, 135, 148, 156, 157, 257, 345)]
    places += [512, 700, 2048, 2100, 3072, 3080, 3200]
    words = [b"../x", b"/etc/passwd", b"77777777777\0", b"\x80" + bytes(3) + b"\xff" * 8, b"1", b"2", b"S", b"x"]
    words += [b"L", b"g", b"disk.vmdk\0", b"vm.ovf\0", b"30 path=/x\n", b"20 size=99999999\n", bytes(512)]
    damaged = st.builds(_summed, st.sampled_from(_ovas()), changes(places, words), st.booleans())
    said = description("disk.vmdk", more='ovf:compression="gzip"')
    texts = st.one_of(replacements(said, _XML_PIECES, _XML_WORDS), st.just(said))
    packed = st.builds(changed, st.just(gzip.compress(_vmdks()[1], mtime=0)), changes([0, 3, 9, 10, -8, -4, -1], words))
    inside = _vmdk_files().map(lambda image: gzip.compress(image, 1, mtime=0))
    return damaged | st.builds(_packaged, texts, packed | inside, st.booleans())


def _packaged(text: bytes, disk: bytes, listed: bool) -> bytes:
    entries = [("vm.ovf", text), ("disk.vmdk", disk)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        archive(path, [*entries, ("vm.mf", manifest(entries))] if listed else entries)
        return path.read_bytes()


def _summed(image: bytes, made: list, right: bool) -> bytes:
    """Changed; with right sums again in its headers, since most changes would end there."""
    result = bytearray(changed(image, made))
    for head in range(0, len(result) - 511, 512):
        if right and (result[head + 257 : head + 262] == b"ustar" or head == 0):
            result[head + 148 : head + 156] = b" " * 8
            result[head + 148 : head + 156] = b"%06o\0 " % (sum(result[head : head + 512]) & 0o777777)
    return bytes(result)


def check_inf(image: bytes) -> None:
    members = ("AWSNVMe/awsnvme.inf", *nvme_files(), *ena_files())
    for path in ("AWSNVMe/awsnvme.inf", "ena.inf"):
        try:
            drivers_of(Inf("x.inf", image), Place("x.zip", path, members), Target64(10, 0, 17763, 3))
        except HotaddError as error:
            _look_at(error)


def _inf_files() -> st.SearchStrategy[bytes]:
    made = [nvme_inf().encode(), nvme_inf().encode("utf-16"), ena_inf().encode()]
    words = [
        b'"',
        b"%",
        b"%%",
        b"\\\n",
        b"[Strings]\n",
        b"]",
        b"=",
        b",",
        b"..\\",
        b"0x",
        b"-1",
        b"9" * 40,
        b"\x1b[31m",
    ]
    words += [
        b"[Amazon.NTamd64.10.0]\n",
        b"Needs = ENA_Old.ndi\n",
        b"AddReg = @x\n",
        b"CopyFiles = @../x\n",
        b"NTamd64.10",
    ]
    return st.builds(changed, st.sampled_from(made), changes(list(range(0, 3900, 29)), words))


TARGETS = {
    "inf": Target(_inf_files, check_inf),
    "vmdk": Target(_vmdk_files, check_vmdk),
    "ovf": Target(_ovf_files, check_ovf),
    "ova": Target(_ova_files, check_ova),
}
