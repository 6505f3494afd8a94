"""The expressions that `stacks` emits, and no other: a parser and evaluator for that corner of Terraform's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Value = Callable[[Scope], Any]

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\$%]|\\["\\])*")|(\d+)|([A-Za-z_][A-Za-z0-9_]*)|(==|!=|\|\||[?:,()\[\].]))')


class Unknowable(Exception):
    """An expression of a form, or a name, that the small applier does not know."""


class Unresolved(Exception):
    """A value is not there, which `try` may forgive."""


class Unknown:
    """A value that only the apply will tell; anything of it is unknown too."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown)

    def __hash__(self) -> int:
        return 0


UNKNOWN = Unknown()


def resolve(value: Any, scope: Scope) -> Any:
    """A value of the synthesized JSON with every template in it evaluated."""
    if isinstance(value, dict):
        return {key: resolve(inner, scope) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, scope) for inner in value]
    if not isinstance(value, str) or not ("${" in value or "%{" in value):
        return value
    whole = re.fullmatch(r"\$\{(.*)\}", value, re.DOTALL)
    if whole is None:
        raise Unknowable(f"the template {value!r}")
    return _Parser(whole.group(1)).whole()(scope)


class _Parser:
    """Recursive descent: each rule gives a function from a scope to a value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise Unknowable(f"{text!r} at {text[at:]!r}")
            self._tokens.append(match.group().strip())
            at = match.end()

    def whole(self) -> Value:
        value = self._conditional()
        if self._tokens:
            raise Unknowable(f"{self._text!r} at {' '.join(self._tokens)!r}")
        return value

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self, wanted: str = "") -> str:
        if not self._tokens or (wanted and self._tokens[0] != wanted):
            raise Unknowable(f"{self._text!r}: {wanted or 'more'} expected")
        return self._tokens.pop(0)

    def _conditional(self) -> Value:
        condition = self._either()
        if self._next() != "?":
            return condition
        self._take("?")
        yes = self._conditional()
        self._take(":")
        no = self._conditional()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def _either(self) -> Value:
        left = self._comparison()
        while self._next() == "||":
            self._take()
            left = _either(left, self._comparison())
        return left

    def _comparison(self) -> Value:
        left = self._postfix()
        if self._next() not in ("==", "!="):
            return left
        wanted = self._take() == "=="
        right = self._postfix()
        return lambda scope: (left(scope) == right(scope)) is wanted

    def _postfix(self) -> Value:
        value = self._primary()
        while self._next() in (".", "["):
            if self._take() == ".":
                value = _part(value, _constant(self._take()))
            else:
                value = _part(value, self._conditional())
                self._take("]")
        return value

    def _primary(self) -> Value:
        token = self._take()
        if token[0] == '"':
            return lambda _: re.sub(r"\\(.)", r"\1", token[1:-1])
        if token.isdigit():
            return lambda _: int(token)
        if token in ("true", "false"):
            return lambda _: token == "true"
        if token == "[":
            return self._list()
        if token == "(":
            inner = self._conditional()
            self._take(")")
            return inner
        if not token[0].isalpha():
            raise Unknowable(f"{self._text!r} at {token!r}")
        if self._next() == "(":
            self._take()
            return _call(token, self._items(")"))
        return lambda scope: _named(scope, token)

    def _items(self, end: str) -> list[Value]:
        items: list[Value] = []
        while self._next() != end:
            items.append(self._conditional())
            if self._next() != end:
                self._take(",")
        self._take(end)
        return items

    def _list(self) -> Value:
        if self._next() != "for":
            items = self._items("]")
            return lambda scope: [item(scope) for item in items]
        self._take("for")
        name = self._take()
        self._take("in")
        source = self._conditional()
        self._take(":")
        each = self._conditional()
        self._take("]")
        return lambda scope: [each({**scope, name: item}) for item in source(scope)]


def _constant(value: Any) -> Value:
    return lambda _: value


def _either(left: Value, right: Value) -> Value:
    return lambda scope: left(scope) or right(scope)


def _part(value: Value, key: Value) -> Value:
    def look(scope: Scope) -> Any:
        whole, part = value(scope), key(scope)
        if whole is UNKNOWN:
            return UNKNOWN
        try:
            return whole[part]
        except (LookupError, TypeError) as error:
            raise Unresolved(f"{part!r} of {whole!r}") from error

    return look


def _named(scope: Scope, name: str) -> Any:
    if name not in scope:
        raise Unknowable(f"the name {name}")
    return scope[name]


def _try(arguments: list[Value]) -> Value:
    def first(scope: Scope) -> Any:
        for argument in arguments:
            try:
                return argument(scope)
            except Unresolved:
                continue
        raise Unresolved("no argument of try")

    return first


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "alltrue": all,
    "contains": lambda values, value: value in values,
    "distinct": lambda values: list(dict.fromkeys(values)),
    "keys": sorted,
    "length": len,
    "values": lambda mapping: [mapping[key] for key in sorted(mapping)],
}


def _call(name: str, arguments: list[Value]) -> Value:
    if name == "try":
        return _try(arguments)
    if name not in _FUNCTIONS:
        raise Unknowable(f"the function {name}")
    return lambda scope: _FUNCTIONS[name](*(argument(scope) for argument in arguments))
