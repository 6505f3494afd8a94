"""GRUB 2's script language, so far as it matters where a kernel's command line starts and ends. Pure.

GRUB manual, "Shell-like scripting": words are parted by blanks, quotes and backslashes keep characters from meaning
anything, `;` and a newline end a command, `#` at the start of a word begins a comment, a newline after a backslash is
none, and `}` is a word of its own.
"""

from __future__ import annotations

import re

_BLANK = r"(?:[^\S\n]|\\\n)"
_CHARACTER = r"""(?:[^\s;'"\\]|\\[^\n]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")"""
# The words of a command after its first ones, and only they: see `KERNEL`.
_WORDS = rf"(?:{_BLANK}+(?!#|}}(?:[\s;]|\Z)){_CHARACTER}+)*"
# The command that loads a kernel, also where its menu entry stands on the same line: (before)(its words)(after).
KERNEL = r"((?:\s*menuentry\s[^\n]*?[{;])?\s*linux(?:16|efi)?" + rf"{_BLANK}+(?!\S*memtest)[^\s;]+)({_WORDS})([\s\S]*)"
_LINE = re.compile(r"[^\S\n]*#[^\n]*\n?|(?:[^\\\n]|\\[\s\S]?)*\n?")
_WORD = re.compile(r"""(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|\S)+""")


def lines(text: str) -> list[str]:
    """The lines of a script, with their ends; those that a backslash continues are one."""
    return [line for line in _LINE.findall(text) if line]


def words(text: str) -> list[str]:
    """The words of a command line as they are spelt; a quoted blank parts none."""
    return _WORD.findall(text.replace("\\\n", " "))
