"""What mdadm --examine printed on machines of other people, and what it means for a copy."""

from __future__ import annotations

import pytest

from runner.guest.storage import arrays
from runner.guest.storage.refusals import ArrayUnfit

# The fields of mdadm 4.x for a superblock 1.2, and of 3.x for 0.90, in their order and spacing.
NEW = """\
/dev/{device}:
          Magic : a92b4efc
        Version : 1.2
    Feature Map : 0x0
     Array UUID : {uuid}
           Name : app01:{name}  (local to host app01)
  Creation Time : Tue Jun 11 12:43:37 2019
     Raid Level : {level}
   Raid Devices : {places}

 Avail Dev Size : 2093056 sectors (1022.00 MiB 1071.64 MB)
          State : {state}
    Device UUID : 88bf2723:d082f14f:f95e87cf:b7c59b83

    Update Time : Sun Sep 27 01:00:08 2020
  Bad Block Log : 512 entries available at offset 16 sectors
       Checksum : 340a1610 - correct
         Events : {events}


   Device Role : {role}
   Array State : {present} ('A' == active, '.' == missing, 'R' == replacing)
"""
OLD = """\
/dev/{device}:
          Magic : a92b4efc
        Version : 0.90.00
           UUID : {uuid} (local to host app01)
  Creation Time : Sun Mar 21 22:38:08 2010
     Raid Level : {level}
  Used Dev Size : 976759936 (931.51 GiB 1000.20 GB)
   Raid Devices : {places}
  Total Devices : {places}
Preferred Minor : 0

    Update Time : Tue Oct  1 22:27:29 2013
          State : {state}
 Active Devices : {active}
Working Devices : {active}
 Failed Devices : 0
  Spare Devices : 0
       Checksum : 5974a37f - correct
         Events : {events}

      Number   Major   Minor   RaidDevice State
this     0       8       17        0      active sync   /dev/{device}
"""
DEFAULTS = {
    "device": "sda1",
    "uuid": "83143055:2781ddf5:2c8f44c7:9b45d92e",
    "name": "0",
    "level": "raid1",
    "places": 2,
    "state": "clean",
    "events": 178,
    "role": "Active device 0",
    "present": "AA",
    "active": 2,
}


def member(form: str = NEW, **changes: object) -> arrays.Member:
    values = {**DEFAULTS, **changes}
    return arrays.read(f"/dev/{values['device']}", form.format(**values))


@pytest.mark.parametrize(
    "members",
    [
        (),
        (member(), member(device="sdb1", role="Active device 1")),
        (member(OLD), member(OLD, device="sdb1")),
        (member(), member(device="sdb1"), member(device="sdc1", role="spare", state="active", events=3)),
        # No member repeats another's data: nothing is ever brought into sync.
        (member(level="raid0", state="active"), member(level="raid0", device="sdb1")),
        # A mirror that was made with one disk, on purpose.
        (member(places=1, present="A"),),
        (member(), member(device="sdb1"), member(uuid="1:2:3:4", places=1, present="A")),
    ],
)
def test_arrays_in_sync_pass(members: tuple[arrays.Member, ...]) -> None:
    arrays.check(members)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ((member(),), "has 2 members, of which 1 are here"),
        ((member(OLD),), "has 2 members, of which 1 are here"),
        ((member(present="A."), member(device="sdb1")), "is degraded"),
        ((member(OLD, active=1), member(OLD, device="sdb1", active=1)), "is degraded"),
        ((member(present="AR"), member(device="sdb1", present="AR"), member(device="sdc1")), "is degraded"),
        ((member(), member(device="sdb1", events=177)), "stopped at different times"),
        ((member(state="active"), member(device="sdb1")), "was being written to"),
        ((member(OLD, state="active"), member(OLD, device="sdb1", state="active")), "was being written to"),
        ((member(), member(device="sdb1"), member(uuid="1:2:3:4")), "has 2 members, of which 1 are here"),
    ],
)
def test_arrays_that_would_be_written_to_are_refused(members: tuple[arrays.Member, ...], said: str) -> None:
    with pytest.raises(ArrayUnfit, match=said) as refusal:
        arrays.check(members)
    assert refusal.value.level == "raid1"
    assert members[-1].uuid in refusal.value.array


def test_the_fields_of_both_superblocks() -> None:
    found = member(NEW, events=371283)
    assert (found.places, found.present, found.events, found.clean, found.spare) == (
        2,
        (True, True),
        371283,
        True,
        False,
    )
    assert member(OLD, places=4, active=3).present == (True, True, True, False)
