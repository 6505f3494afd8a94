"""What a Windows program file says of itself in its headers: its processor, and a signature inside it. Pure.

Microsoft's "PE Format" has the layout. Only that a signature is there is looked at; whether it is a good one, Windows
sees when it starts.
"""

from __future__ import annotations

_MACHINE_AMD64 = 0x8664  # IMAGE_FILE_MACHINE_AMD64
_PE32_PLUS = 0x20B  # the optional header's magic in 64-bit images
_AT_PE = 0x3C  # where the offset of "PE\0\0" stands
_COFF = 24  # the signature and the COFF header, before the optional header
_COUNT_AT, _DIRECTORIES_AT = 108, 112  # in the optional header of PE32+
_CERTIFICATES = 4  # the entry of the attribute certificate table, whose address is a file offset
_PKCS_SIGNED_DATA = 2  # WIN_CERT_TYPE_PKCS_SIGNED_DATA: Authenticode


def is_amd64(data: bytes) -> bool:
    """Whether it is a PE file for x64."""
    header = _number(data, _AT_PE, 4)
    return (
        data[:2] == b"MZ" and data[header : header + 4] == b"PE\0\0" and _number(data, header + 4, 2) == _MACHINE_AMD64
    )


def has_signature(data: bytes) -> bool:
    """Whether an x64 image has an Authenticode signature inside it, as its attribute certificate table says."""
    optional = _number(data, _AT_PE, 4) + _COFF
    if _number(data, optional, 2) != _PE32_PLUS or _number(data, optional + _COUNT_AT, 4) <= _CERTIFICATES:
        return False
    entry = optional + _DIRECTORIES_AT + 8 * _CERTIFICATES
    start, size = _number(data, entry, 4), _number(data, entry + 4, 4)
    length, kind = _number(data, start, 4), _number(data, start + 6, 2)
    inside = entry + 8 <= start and start + size <= len(data)
    return inside and 8 < length <= size and kind == _PKCS_SIGNED_DATA


def _number(data: bytes, at: int, size: int) -> int:
    """A little-endian number; what lies beyond the file's end counts as zeros."""
    return int.from_bytes(data[at : at + size], "little")
