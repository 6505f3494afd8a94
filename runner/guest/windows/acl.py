"""Security descriptors for what conversion makes on NTFS. Pure.

Source: MS-DTYP 2.4.2 (SID), 2.4.4.2 (ACCESS_ALLOWED_ACE), 2.4.5 (ACL), 2.4.6 (SECURITY_DESCRIPTOR, self-relative);
the rights are those of "File Access Rights Constants". ntfs-3g alone would give everybody full control.
"""

from __future__ import annotations

import struct
from typing import Literal

# private: for SYSTEM and Administrators alone. driver: Users may also read and execute, as in System32\drivers.
Access = Literal["private", "driver"]

ATTRIBUTE = "system.ntfs_acl"  # the extended attribute under which ntfs-3g shows a file's security descriptor

_NT_AUTHORITY = bytes(5) + b"\x05"
_FULL = 0x001F01FF
_READ_EXECUTE = 0x001200A9
_INHERITED_BELOW = 0x03  # OBJECT_INHERIT_ACE, CONTAINER_INHERIT_ACE: files made in a directory later get the same
_SELF_RELATIVE, _DACL_PROTECTED, _DACL_PRESENT = 0x8000, 0x1000, 0x0004
_ALLOWED = 0
_HEADER = struct.Struct("<BBHIIII")


def _sid(*authorities: int) -> bytes:
    return struct.pack("<BB6s", 1, len(authorities), _NT_AUTHORITY) + struct.pack(f"<{len(authorities)}I", *authorities)


_SYSTEM = _sid(18)
_ADMINISTRATORS = _sid(32, 544)
_USERS = _sid(32, 545)


def descriptor(access: Access, *, directory: bool) -> bytes:
    """The self-relative security descriptor, owned by Administrators, which inherits nothing from above."""
    flags = _INHERITED_BELOW if directory else 0
    allowed = [(_SYSTEM, _FULL), (_ADMINISTRATORS, _FULL)]
    if access == "driver":
        allowed.append((_USERS, _READ_EXECUTE))
    entries = b"".join(struct.pack("<BBHI", _ALLOWED, flags, 8 + len(sid), mask) + sid for sid, mask in allowed)
    dacl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), len(allowed), 0) + entries
    # ntfs-3g keeps the order in which Windows writes them: the DACL, the owner, the group.
    dacl_at = _HEADER.size
    owner_at = dacl_at + len(dacl)
    group_at = owner_at + len(_ADMINISTRATORS)
    control = _SELF_RELATIVE | _DACL_PROTECTED | _DACL_PRESENT
    return _HEADER.pack(1, 0, control, owner_at, group_at, 0, dacl_at) + dacl + _ADMINISTRATORS + _SYSTEM
