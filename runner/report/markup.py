"""HTML and SVG in which no text can become markup.

Names, file paths and messages come from guests and from people. Everything that is no `Markup` is escaped, always, and
what a reader could not see is made visible: control characters, and those that turn the direction of writing, so that
a name cannot pass for another.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_VOID = frozenset({"meta", "link", "br", "col"})


@dataclass(frozen=True)
class Markup:
    """Text that is markup already. Only this module and constants of ours make it."""

    text: str

    def __str__(self) -> str:
        return self.text


Content = Markup | str
NOTHING = Markup("")


def shown(text: str) -> str:
    """Text with everything unseen written out, as ``\\u202e``; lone surrogates cannot even be encoded."""
    seen = _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", seen)


def escaped(text: Content) -> str:
    """Content as markup."""
    return text.text if isinstance(text, Markup) else html.escape(shown(text))


def joined(*parts: Content) -> Markup:
    """Parts one after the other."""
    return Markup("".join(map(escaped, parts)))


def tag(name: str, /, *content: Content, **attributes: str | int | bool) -> Markup:
    """An element. Attributes: a trailing underscore is dropped, other underscores are dashes, False leaves it out."""
    words = [name]
    for key, value in attributes.items():
        if value is False:
            continue
        word = key.removesuffix("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{html.escape(shown(str(value)))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if name in _VOID else f"{opening}{joined(*content)}</{name}>")
