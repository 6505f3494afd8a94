"""GRUB's environment block: a text file of a fixed size, filled up with "#". Pure.

GRUB manual, "The GRUB environment block": GRUB writes it in place and cannot make it longer; tools make it 1024 bytes.
"""

from __future__ import annotations

from runner.guest.boot.refusals import EnvironmentFull

PATHS = r"/boot/(?:grub2?|efi/EFI/[^/]+)/grubenv"
FILES = ("/boot/grub/grubenv", "/boot/grub2/grubenv")


def settings(text: str) -> dict[str, str]:
    """The variables of a block."""
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def padded(path: str, text: str, size: int) -> str:
    """A block whose lines were changed, at its old size again. Raises `EnvironmentFull`."""
    said = text.rstrip("#")
    needed = bytes_of(said)
    if needed > size:
        raise EnvironmentFull(path, size, needed)
    return said + "#" * (size - needed)


def bytes_of(text: str) -> int:
    """The size of a block's text in bytes."""
    return len(text.encode("utf-8", "surrogateescape"))
