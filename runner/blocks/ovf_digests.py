"""The manifest of an OVF package (.mf): which digest each file must have. DSP0243 2.1.1, clause 5.1."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused, PackageDiffers
from runner.blocks.vmdk_descriptor import check_name

MAX_MANIFEST = 1024 * 1024  # bytes; a line has about 100
_LINE = re.compile(r"(SHA-?(?:1|256|384|512))\s*\(([^()]{1,255})\)\s*=\s*([0-9A-Fa-f]{40,128})")
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StatedDigest:
    """One line: `algorithm` as hashlib names it, `digest` in lower-case hex."""

    name: str
    algorithm: str
    digest: str


def parse_manifest(text: bytes, location: str) -> dict[str, StatedDigest]:
    """All lines by file name; raises `ImageRefused` for what is no manifest, or names a file twice."""
    stated: dict[str, StatedDigest] = {}
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ImageRefused(location, "manifest", "it is no text") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ImageRefused(location, "manifest", f"line {number} is no digest of a file")
        algorithm, name, digest = match[1].replace("-", "").lower(), match[2], match[3].lower()
        check_name(name, location, "manifest")
        if len(digest) != 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
            raise ImageRefused(location, "manifest", f"line {number} has {len(digest)} digits for {match[1]}")
        if name in stated:
            raise ImageRefused(location, "manifest", f"it names {name!r} twice")
        stated[name] = StatedDigest(name, algorithm, digest)
    if not stated:
        raise ImageRefused(location, "manifest", "it is empty")
    return stated


def check_digest(file: ByteFile, stated: StatedDigest) -> None:
    """Read the whole file; raises `PackageDiffers`, `OSError`, `ShortRead`."""
    digest = hashlib.new(stated.algorithm, usedforsecurity=False)
    buffer = memoryview(bytearray(_PIECE))
    for at in range(0, file.size, _PIECE):
        piece = buffer[: min(_PIECE, file.size - at)]
        file.read_into(at, piece)
        digest.update(piece)
    if not hmac.compare_digest(digest.hexdigest(), stated.digest):
        raise PackageDiffers(file.path, stated.algorithm, stated.digest, digest.hexdigest())
