"""What is read of a guest in all is bounded: a disk can hold more text than any machine's memory."""

from __future__ import annotations

import pytest

from runner.guest import probe
from runner.guest.boot import efi
from runner.guest.refusals import ConfigurationTooBig

RULES = "/etc/udev/rules.d"
MIB = 1024 * 1024


class Files:
    """A guest of which only its text files are there."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def names(self, directory: str) -> list[str]:
        below = [path.removeprefix(f"{directory}/") for path in self.texts if path.startswith(f"{directory}/")]
        return sorted({name.partition("/")[0] for name in below})

    def read(self, path: str) -> str | None:
        return self.texts.get(path)

    def exists(self, path: str) -> bool:
        return path in self.texts


def rules(count: int, text: str) -> dict[str, str]:
    return {f"{RULES}/{number:04}.rules": text for number in range(count)}


def test_a_full_guest_is_read_whole() -> None:
    loader = f"{efi.EFI}/redhat/shimx64.efi"
    texts = rules(1_000, "x" * 8_000) | {f"{efi.EFI}/redhat/grub.cfg": "a"}
    files, paths = probe.read(Files({**texts, loader: "b"}))  # type: ignore[arg-type]  # three of its methods
    assert {file.path: file.text for file in files} == texts
    assert paths == (loader,)


@pytest.mark.parametrize(
    ("texts", "files"),
    [
        (rules(9, "x" * MIB), None),
        (rules(9, "\udcff" * MIB), None),
        (rules(5, "ä" * MIB), None),
        (rules(2_001, ""), 2_001),
        ({f"{efi.EFI}/{number}/x": "" for number in range(2_001)}, 2_001),
        ({f"{efi.EFI}/{number}/{name}.efi": "" for number in range(2) for name in range(1_001)}, 2_002),
    ],
    ids=["bytes", "no UTF-8", "two bytes each", "files", "vendors", "loaders"],
)
def test_more_is_refused(texts: dict[str, str], files: int | None) -> None:
    with pytest.raises(ConfigurationTooBig) as refusal:
        probe.read(Files(texts))  # type: ignore[arg-type]  # three of its methods
    assert refusal.value.size > 8 * MIB or files is not None and refusal.value.files >= files
