"""GRUB's environment block keeps its size; expected blocks as grub-editenv (GRUB 2.06) writes them."""

from __future__ import annotations

from typing import Any

import pytest

from runner.guest.boot import table
from runner.guest.boot.refusals import EnvironmentFull
from runner.guest.facts import Options, TextFile

PATH = "/boot/grub2/grubenv"


def block(text: str, size: int = 1024) -> str:
    return ("# GRUB Environment Block\n" + text).ljust(size, "#")


def test_the_block_stays_1024_bytes_also_with_letters_of_more_than_one(make_facts: Any) -> None:
    old = block("name=Zür\udcffich\nkernelopts=root=/dev/sda1 ro\nboot_success=1\n")[:-1]
    old_bytes = len(old.encode("utf-8", "surrogateescape"))
    (step,) = [s for s in table.decide(make_facts({PATH: old}), Options("dhcp")) if s.path == PATH]
    new = step.text.encode("utf-8", "surrogateescape")
    assert len(new) == old_bytes
    assert new.rstrip(b"#").endswith(b"nvme_core.io_timeout=4294967295\nboot_success=1\n")
    assert b"kernelopts=root=UUID=" in new and b"name=Z\xc3\xbcr\xffich\n" in new


def test_what_it_was_is_in_the_record(make_facts: Any) -> None:
    facts = make_facts({PATH: block("kernelopts=root=/dev/sda1 ro quiet\n")})
    (step,) = [s for s in table.decide(facts, Options("dhcp")) if s.path == PATH]
    assert not step.keep and step.why.endswith("it was root=/dev/sda1 ro quiet")


def test_a_full_block_is_refused(make_facts: Any) -> None:
    facts = make_facts({PATH: block("kernelopts=root=/dev/sda1 ro " + 950 * "x" + "\n")})
    with pytest.raises(EnvironmentFull) as refusal:
        table.decide(facts, Options("dhcp"))
    assert (refusal.value.size, refusal.value.needed > 1024) == (1024, True)
    assert TextFile(PATH, "x") not in facts.files
