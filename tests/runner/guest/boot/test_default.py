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
    ({**BLS, ENVIRONMENT: "saved_entry=m-4.18.0-80.el8\n"}, OLD),
    ({**BLS, ENVIRONMENT: "saved_entry=1\n"}, NEW),
    ({**BLS, ENVIRONMENT: "saved_entry=L 4.18.0-305.el8\n"}, NEW),
    (BLS, NEWEST),
    ({LEGACY: titles("default=2")}, NEW),
    ({LEGACY: titles("default 3")}, OLD),
    ({LEGACY: titles("default=saved"), "/boot/grub/default": "2\n#\n#\n"}, NEW),
]


@pytest.mark.parametrize(("files", "version"), CASES)
def test_default_kernel(files: dict[str, str | None], version: str, make_facts: Any) -> None:
    kernels = tuple(Kernel(each, (), (), "", (), 0) for each in (NEW, NEWEST, OLD))
    facts = make_facts({GRUB: None, **files}, kernels=kernels)
    assert [kernel.version for kernel in default.marked(kernels, facts) if kernel.default] == [version]


def test_a_guest_without_kernels_has_no_default_one(make_facts: Any) -> None:
    assert default.marked((), make_facts()) == ()
