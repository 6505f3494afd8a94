"""Names looked up as Windows does, on a directory tree in memory."""

from __future__ import annotations

import pytest

from runner.guest.windows.ntfs import Place, find
from runner.guest.windows.volume_refusals import NameUnfit


class Tree:
    """The one verb of an appliance that looking up takes: files are strings, links are bytes."""

    def __init__(self, root):
        self.root = root

    def entries(self, directory):
        at = self.root
        for part in filter(None, directory.split("/")):
            at = at[part]
        kinds = {dict: "directory", str: "file", bytes: "symlink", int: "other"}
        return {name: kinds[type(each)] for name, each in at.items()}


GUEST = Tree(
    {
        "WINDOWS": {
            "system32": {"Drivers": {"disk.SYS": ""}, "config": b"/elsewhere", "pipe": 0, "Config2": {}, "config2": {}},
            "\u212aernel": "",
        }
    }
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", Place("/", (), "directory")),
        ("/Windows/System32", Place("/WINDOWS/system32", (), "directory")),
        ("/windows/SYSTEM32/drivers/DISK.sys", Place("/WINDOWS/system32/Drivers/disk.SYS", (), "file")),
        ("/Windows/System32/drivers/New.sys", Place("/WINDOWS/system32/Drivers/New.sys", ("New.sys",), "")),
        ("/Windows/hotadd/ena", Place("/WINDOWS/hotadd/ena", ("hotadd", "ena"), "")),
        # The Kelvin sign is a capital k to Unicode, and itself to NTFS's table.
        ("/Windows/kernel", Place("/WINDOWS/kernel", ("kernel",), "")),
    ],
)
def test_every_element_is_spelled_as_it_is_there(path, place):
    assert find(GUEST, path) == place


def test_the_deepest_directory_that_is_there():
    assert find(GUEST, "/Windows/hotadd/ena").existing == "/WINDOWS"
    assert find(GUEST, "/nothing").existing == "/"
    assert find(GUEST, "/Windows/System32").existing == "/WINDOWS/system32"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/Windows/System32/config/SYSTEM", "link"),
        ("/Windows/System32/pipe", "other"),
        ("/Windows/System32/CONFIG2", "more than once"),
        ("/Windows/System32/drivers/disk.sys/x", "no directory"),
    ],
)
def test_what_windows_would_not_have_there_is_refused(path, reason):
    with pytest.raises(NameUnfit, match=reason):
        find(GUEST, path)
