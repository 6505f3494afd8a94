"""Where a source disk may be: a path of this machine, an S3 object, or an NBD export. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

# What libnbd takes (nbd_connect_uri(3)): TCP, unix sockets and vsock, with and without TLS.
NBD_SCHEMES = ("nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock")
S3_FORMATS = ("raw", "vmdk", "ova")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY_BYTES_MOST = 1024  # "Naming Amazon S3 objects" of the S3 User Guide


@dataclass(frozen=True)
class S3Object:
    """An object: `bucket` and `key`."""

    bucket: str
    key: str


def scheme_of(location: str) -> str:
    """`s3` of `s3://bucket/key`; empty for a path. A path with :// in it is written with ./ before it."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""


def is_local(location: str) -> bool:
    """Whether it is a path of this machine."""
    return not scheme_of(location)


def is_nbd(location: str) -> bool:
    """Whether it is an NBD export."""
    return scheme_of(location) in NBD_SCHEMES


def s3_object(location: str) -> S3Object | None:
    """The object of an `s3://` location; None for every other one."""
    if scheme_of(location) != "s3":
        return None
    bucket, _, key = location[len("s3://") :].partition("/")
    return S3Object(bucket, key)


def location_fault(location: str, format: str) -> tuple[str, str] | None:
    """What is wrong with a location for a disk of this format: a sentence and a hint, or None."""
    scheme = scheme_of(location)
    if not scheme:
        return None
    if scheme == "s3":
        return _s3_fault(location, format)
    if scheme not in NBD_SCHEMES:
        return f"{scheme}:// is no place to read a disk from.", "Name a path, s3://bucket/key, or an nbd:// URI."
    if format != "raw":
        sentence = f"An NBD export is a raw disk, not {format}."
        return sentence, "Leave `format` out: the server reads the image, and gives its bytes."
    try:
        parts = urlsplit(location)
    except ValueError:
        return "It is no URI.", "Write nbd://HOST[:PORT]/EXPORT."
    if scheme.endswith("+unix") and not parse_qs(parts.query).get("socket", [""])[0].startswith("/"):
        return "The URI names no socket.", "Write nbd+unix:///EXPORT?socket=/PATH, with an absolute path."
    if not scheme.endswith("+unix") and not parts.netloc:
        return "The URI names no host.", "Write nbd://HOST[:PORT]/EXPORT."
    return None


def _s3_fault(location: str, format: str) -> tuple[str, str] | None:
    found = s3_object(location)
    assert found is not None
    if not _BUCKET.fullmatch(found.bucket) or not found.key or len(found.key.encode()) > _KEY_BYTES_MOST:
        return "It names no bucket and key.", "Write s3://BUCKET/KEY."
    if format not in S3_FORMATS:
        sentence = f"A disk in S3 is read as {', '.join(S3_FORMATS)}; {format} needs a file on this machine."
        return sentence, "Download it to the access node first."
    return None
