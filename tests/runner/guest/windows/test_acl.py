"""Security descriptors against MS-DTYP, written out by hand; ntfssecaudit reads them from a volume in test_windows."""

from __future__ import annotations

import pytest

from runner.guest.windows.acl import descriptor

# MS-DTYP 2.4.2.4, well-known SIDs: S-1-5-18, S-1-5-32-544, S-1-5-32-545.
SYSTEM = "01 01 000000000005 12000000"
ADMINISTRATORS = "01 02 000000000005 20000000 20020000"
USERS = "01 02 000000000005 20000000 21020000"
FULL, READ = "ff011f00", "a9001200"


def ace(flags: str, mask: str, sid: str) -> str:
    size = 8 + len(bytes.fromhex(sid))
    return f"00 {flags} {size:02x}00 {mask} {sid}"


@pytest.mark.parametrize(
    ("access", "directory", "aces", "size"),
    [
        ("private", False, [ace("00", FULL, SYSTEM), ace("00", FULL, ADMINISTRATORS)], 52),
        ("private", True, [ace("03", FULL, SYSTEM), ace("03", FULL, ADMINISTRATORS)], 52),
        ("driver", False, [ace("00", FULL, SYSTEM), ace("00", FULL, ADMINISTRATORS), ace("00", READ, USERS)], 76),
    ],
)
def test_the_descriptor_is_protected_and_names_no_one_else(access, directory, aces, size):
    acl = f"02 00 {size:02x}00 {len(aces):02x}00 0000" + "".join(aces)
    owner = 20 + size
    # Revision, Sbz1, Control (self-relative, DACL protected, DACL present), offsets: owner, group, no SACL, DACL.
    head = f"01 00 0490 {owner:02x}000000 {owner + 16:02x}000000 00000000 14000000"
    assert descriptor(access, directory=directory).hex() == bytes.fromhex(head + acl + ADMINISTRATORS + SYSTEM).hex()
