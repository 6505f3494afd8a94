"""The HotAdd slots, letter by letter."""

import pytest

from schemas.errors import REFUSED
from schemas.slots import LIMIT, TooManyDisks, destination_devices, give_out, slots_of
from schemas.spec import GuestOs

F_TO_Z = list("fghijklmnopqrstuvwxyz")
BA_TO_BS = [f"b{letter}" for letter in "abcdefghijklmnopqrs"]


# design: 21 volumes xvdf to xvdz for Windows guests; 40, xvdf to xvdz and then xvdba on, for Linux guests.
@pytest.mark.parametrize(("os", "letters"), [("windows", F_TO_Z), ("linux", F_TO_Z + BA_TO_BS)])
def test_the_table(os: GuestOs, letters: list[str]) -> None:
    assert slots_of(os) == tuple(f"xvd{letter}" for letter in letters)
    assert len(slots_of(os)) == LIMIT[os] == {"windows": 21, "linux": 40}[os]


def test_disks_get_slots_in_their_order() -> None:
    assert give_out("linux", ["root", "data", "logs"]) == {"root": "xvdf", "data": "xvdg", "logs": "xvdh"}


def test_taken_slots_are_passed_over() -> None:
    taken = ["/dev/xvda", "xvdf", "/dev/xvdh"]
    assert give_out("windows", ["root", "data", "logs"], taken) == {"root": "xvdg", "data": "xvdi", "logs": "xvdj"}


def test_sd_names_take_the_slot_of_the_same_letter() -> None:
    # Linux shows /dev/sdf as /dev/xvdf on Xen instances.
    assert give_out("linux", ["root", "data"], ["/dev/sdf", "sda1"]) == {"root": "xvdg", "data": "xvdh"}


@pytest.mark.parametrize(("os", "most"), [("windows", 21), ("linux", 40)])
def test_too_many(os: GuestOs, most: int) -> None:
    ids = [f"d{n}" for n in range(most)]
    assert len(set(give_out(os, ids).values())) == most
    with pytest.raises(TooManyDisks) as raised:
        give_out(os, [*ids, "one-more"])
    assert (raised.value.disks, raised.value.limit, raised.value.attached) == (most + 1, most, 0)
    with pytest.raises(TooManyDisks) as raised:
        give_out(os, ids, ["xvdg", "/dev/xvdf", "xvda"])
    assert (raised.value.disks, raised.value.limit, raised.value.attached) == (most, most, 2)
    assert raised.value.exit_code == REFUSED
    assert f"{most} disks" in raised.value.sentence and "2 of them taken" in raised.value.sentence


def test_the_destination_has_its_root_first() -> None:
    devices = destination_devices("linux", ["data", "root", "logs"], "root", "/dev/xvda")
    assert devices == {"root": "/dev/xvda", "data": "xvdf", "logs": "xvdg"}
    assert destination_devices("linux", ["root", "data"], "root", "/dev/xvdf")["data"] == "xvdg"
