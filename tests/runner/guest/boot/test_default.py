"""The default kernel, by what GRUB's manuals say of each way to name it (see boot/default.py)."""

from __future__ import annotations

from typing import Any

import pytest

from runner.guest.boot import default
from runner.guest.facts import Kernel

OLD, NEW, NEWEST = "4.18.0-80.el8", "4.18.0-305.el8", "4.18.0-553.el8"


def menu(default_line: str) -> str:
    entries = "".join(f"\tmenuentry 'Linux {v}' {{\n\t\tlinux /vmlinuz-{v} root=/dev/sda1\n\t}}\n" for v in (NEW, OLD))
    first = f'menuentry "Linux" --id simple {{\n\tlinux /vmlinuz-{NEWEST} root=/dev/sda1\n}}\n'
    return f"{default_line}\n{first}submenu 'Advanced' {{\n{entries}}}\nmenuentry 'Setup' {{\n\tfwsetup\n}}\n"


def titles(default_line: str) -> str:
    entries = (f"title {v}\n\tkernel /vmlinuz-{v} root=/dev/sda1\n" for v in (NEWEST, NEW, OLD))
    return f"{default_line}\ntimeout=5\ntitle memory\n\tkernel /memtest86\n" + "".join(entries)


BLS = {
    "/boot/grub2/grub.cfg": 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
    **{f"/boot/loader/entries/m-{v}.conf": f"title L {v}\nlinux /vmlinuz-{v}\n" for v in (OLD, NEW, NEWEST)},
}
GRUB, LEGACY, ENVIRONMENT = "/boot/grub/grub.cfg", "/boot/grub/grub.conf", "/boot/grub2/grubenv"
ONE_LINE = f"""set default=1
menuentry 'a' {{ linux /vmlinuz-{NEWEST} ro }}
menuentry 'b' {{ linux /vmlinuz-{OLD} ro; initrd /initrd }}
"""
CASES: list[tuple[dict[str, str | None], str]] = [
    ({}, NEWEST),
    ({GRUB: menu('set default="0"')}, NEWEST),
    ({GRUB: menu('set default="1"')}, NEW),
    ({GRUB: menu('set default="1>1"')}, OLD),
    ({GRUB: menu('set default="Advanced>Linux 4.18.0-80.el8"')}, OLD),
    ({GRUB: menu('set default="simple"')}, NEWEST),
    ({GRUB: menu('set default="no such entry"')}, NEWEST),
    ({GRUB: menu(""), "/etc/default/grub": 'GRUB_DEFAULT="1>1"\n'}, OLD),
    ({GRUB: menu('set default="${saved_entry}"'), ENVIRONMENT: "saved_entry=1>0\n"}, NEW),
    ({GRUB: menu('set default="Advanced"')}, NEW),
    ({GRUB: menu('set default="1>Linux 4.18.0-80.el8"')}, OLD),
    # The first of a menu is what a name starts that is none: an entry of a submenu has its path for a name.
    ({GRUB: menu('set default="Linux 4.18.0-80.el8"')}, NEWEST),
    ({GRUB: ONE_LINE}, OLD),
    ({**BLS, ENVIRONMENT: "saved_entry=m-4.18.0-80.el8\n"}, OLD),
    ({**BLS, ENVIRONMENT: "saved_entry=1\n"}, NEW),
    ({**BLS, ENVIRONMENT: "saved_entry=L 4.18.0-305.el8\n"}, NEW),
    (BLS, NEWEST),
    ({LEGACY: titles("default=2")}, NEW),
    ({LEGACY: titles("default 3")}, OLD),
    ({LEGACY: titles("default=saved"), "/boot/grub/default": "2\n#\n#\n"}, NEW),
    (
        {
            LEGACY: titles("default=saved").replace("title memory\n\tkernel /memtest86\n", ""),
            "/boot/grub/default": " \n",
        },
        NEWEST,
    ),
]


@pytest.mark.parametrize(("files", "version"), CASES)
def test_default_kernel(files: dict[str, str | None], version: str, make_facts: Any) -> None:
    kernels = tuple(Kernel(each, (), (), "", (), 0) for each in (NEW, NEWEST, OLD))
    facts = make_facts({GRUB: None, **files}, kernels=kernels)
    assert [kernel.version for kernel in default.marked(kernels, facts) if kernel.default] == [version]


# rpmvercmp in rpm's manual, "Version comparison": "alphabetic segments are older than numeric ones"; each from the
# oldest to the newest, as the vendors' advisories have released them.
RELEASES = [
    ["3.10.0-1127.el7.x86_64", "3.10.0-1160.el7.x86_64", "3.10.0-1160.119.1.el7.x86_64"],
    ["4.18.0-80.el8.x86_64", "4.18.0-553.el8_10.x86_64", "4.18.0-553.16.1.el8_10.x86_64"],
    ["5.14.0-427.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"],
    ["6.4.0-150600.21-default", "6.4.0-150600.21.1-default"],
    ["\u00b2", "8", "9" * 5000],
    ["5.15.0-9-generic", "5.15.0-091-generic", "5.15.0-100-generic"],
]


@pytest.mark.parametrize("versions", RELEASES)
def test_versions_are_ordered_as_they_were_released(versions: list[str]) -> None:
    kernels = [Kernel(version, (), (), "", (), 0) for version in reversed(versions)]
    assert [kernel.version for kernel in sorted(kernels, key=lambda kernel: kernel.age)] == versions


@pytest.mark.parametrize(
    ("version", "number"),
    [("4.18.0-553.el8", (4, 18)), ("6-rc1", (6, 0)), ("\u00b2.\u00b3", (0, 0)), ("9" * 5000, (999_999_999, 0))],
)
def test_the_number_of_a_version_whatever_a_guest_calls_its_kernel(version: str, number: tuple[int, int]) -> None:
    assert Kernel(version, (), (), "", (), 0).number == number


def test_a_guest_without_kernels_has_no_default_one(make_facts: Any) -> None:
    assert default.marked((), make_facts()) == ()


def test_submenus_in_submenus_do_not_multiply(make_facts: Any) -> None:
    ids = " ".join(f"--id i{number}" for number in range(8))
    nested = "".join(f"submenu 's{number}' {ids} {{\n" for number in range(2000))
    text = f"{nested}menuentry 'x' {{\nlinux /vmlinuz-{NEW}\n}}\n" + "}\n" * 2000
    kernels = tuple(Kernel(each, (), (), "", (), 0) for each in (OLD, NEWEST))
    marked = default.marked(kernels, make_facts({GRUB: text}, kernels=kernels))
    assert [kernel.version for kernel in marked if kernel.default] == [NEWEST]
