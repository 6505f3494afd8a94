from __future__ import annotations

import struct

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.blocks.digests import DATA, UNKNOWN, ZERO, DigestFile
from runner.blocks.errors import DigestsDamaged
from runner.blocks.packing import packed, unpacked

BLOCK = 512 * 1024
TIB = 1 << 40


def make(path, blocks=10, disk="sda", generation=3):
    return DigestFile.create(path, disk=disk, generation=generation, size=blocks * BLOCK - 7, run=b"r" * 16)


def test_states_and_digests_come_back_from_the_file(tmp_path):
    file = make(tmp_path / "d")
    file.set(0, b"0123456789abcdef")
    file.set_zero(1, 7)
    file.set(9, b"fedcba9876543210")
    file.save()
    file.close()
    again = DigestFile.open_partial(tmp_path / "d")
    assert (again.disk, again.generation, again.size) == ("sda", 3, 10 * BLOCK - 7)
    assert [again.get(n) for n in (0, 1, 7, 8, 9)] == [b"0123456789abcdef", ZERO, ZERO, UNKNOWN, b"fedcba9876543210"]
    assert list(again.unknown_runs(0, 10)) == [(8, 1)]
    assert (again.known, again.known_zero) == (9, 7)


def test_what_was_not_saved_is_unknown(tmp_path):
    file = make(tmp_path / "d")
    file.set(0, b"0123456789abcdef")
    file.close()
    assert DigestFile.open_partial(tmp_path / "d").get(0) is UNKNOWN


def test_the_layout_is_the_documented_one(tmp_path):
    file = make(tmp_path / "d", blocks=6)
    file.set(1, b"0123456789abcdef")
    file.set_zero(2, 4)
    file.set(0, b"fedcba9876543210")
    file.seal()
    file.publish()
    content = (tmp_path / "d").read_bytes()
    assert content[:8] == b"HOTADDIG"
    assert struct.unpack_from("<IIQIB", content, 8) == (1, BLOCK, 6 * BLOCK - 7, 3, 1)
    assert content[8 + 21 + 16] == 3 and content[46:49] == b"sda"
    assert content[4080:4096] == blake3(content[:4080]).digest()[:16]
    # data, data, zero, zero | zero, zero: two bits each from the lowest
    assert content[4096:4098] == bytes([0b10100101, 0b1010])
    assert content[8192 : 8192 + 32] == b"fedcba98765432100123456789abcdef"
    assert len(content) == 8192 + 6 * 16


def test_its_own_digest_is_that_of_its_bytes_and_the_same_for_the_same_disk(tmp_path):
    digests = []
    for name, run in (("a", b"1" * 16), ("b", b"2" * 16)):
        file = DigestFile.create(tmp_path / name, disk="sda", generation=1, size=3 * BLOCK, run=run)
        file.set_zero(0, 3)
        digests.append(file.seal())
        file.publish()
    assert digests[0] == digests[1] == blake3((tmp_path / "a").read_bytes()).hexdigest()


def test_the_final_name_is_taken_only_when_published(tmp_path):
    file = make(tmp_path / "d", blocks=1)
    file.set_zero(0, 1)
    file.seal()
    assert not (tmp_path / "d").exists()
    file.publish()
    file.publish()
    assert (tmp_path / "d").exists() and not (tmp_path / "d.partial").exists()


def test_zeroes_of_16_tib_cost_8_mib(tmp_path):
    file = DigestFile.create(tmp_path / "d", disk="sda", generation=1, size=16 * TIB)
    file.set_zero(0, file.blocks)
    file.save()
    status = (tmp_path / "d.partial").stat()
    assert status.st_blocks * 512 < 9 * 1024 * 1024 and status.st_size > 512 * 1024 * 1024
    assert list(DigestFile.open_partial(tmp_path / "d").runs_of((ZERO,))) == [(0, 16 * TIB // BLOCK)]


def test_windows_hold_every_block_in_order(tmp_path):
    file = make(tmp_path / "d")
    for n in range(0, 10, 3):
        file.set(n, bytes([n + 1]) * 16)
    windows = list(file.windows(4))
    assert [w.first for w in windows] == [0, 4, 8]
    assert b"".join(w.states for w in windows) == bytes([1, 0, 0] * 3 + [1])
    assert b"".join(w.digests for w in windows)[3 * 16 : 4 * 16] == bytes([4]) * 16


def _published(tmp_path):
    file = make(tmp_path / "d", blocks=8)
    file.set_zero(0, 8)
    file.seal()
    file.publish()
    return tmp_path / "d"


def _flip(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: b"", "no header"),
        (lambda c: c[:4095], "no header"),
        (lambda c: _flip(c, 0), "no header"),
        (lambda c: _flip(c, 16), "checksum"),
        (lambda c: _flip(c, 4090), "checksum"),
        (lambda c: c[:-1], "length"),
        (lambda c: c + b"x", "length"),
        (lambda c: c[:4096] + b"\xff" + c[4097:], "states"),
        (lambda c: c[:4096] + b"\x00" + c[4097:], "states"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage, says):
    path = _published(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DigestsDamaged, match=says) as caught:
        DigestFile.open(path)
    assert caught.value.exit_code == 4


def test_a_partial_file_is_no_reference(tmp_path):
    make(tmp_path / "d").close()
    (tmp_path / "d.partial").rename(tmp_path / "d")
    with pytest.raises(DigestsDamaged, match="not completed"):
        DigestFile.open(tmp_path / "d")


@pytest.mark.parametrize("blocks", [(-1, 1), (9, 2), (10, 1)])
def test_blocks_outside_the_disk_are_refused(tmp_path, blocks):
    with pytest.raises(ValueError):
        make(tmp_path / "d").set_zero(*blocks)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2)))
def test_packing_is_undone_by_unpacking(states):
    both = packed(bytes(states))
    assert len(both) == (len(states) + 3) // 4
    assert list(unpacked(both, len(states))) == states
    assert all(both[n // 4] >> (n % 4 * 2) & 3 == state for n, state in enumerate(states))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([UNKNOWN, DATA, ZERO]), min_size=1, max_size=40), st.data())
def test_unknown_runs_are_the_unknown_blocks(tmp_path_factory, states, data):
    file = DigestFile.create(tmp_path_factory.mktemp("d") / "d", disk="d", generation=1, size=len(states) * BLOCK)
    for n, state in enumerate(states):
        if state is not UNKNOWN:
            file.set(n, bytes(16) if state is DATA else ZERO)
    first = data.draw(st.integers(0, len(states)))
    count = data.draw(st.integers(0, len(states) - first))
    found = [n for at, many in file.unknown_runs(first, count) for n in range(at, at + many)]
    assert found == [n for n in range(first, first + count) if states[n] is UNKNOWN]
    file.close()
