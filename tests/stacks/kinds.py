"""Terraform's kind of a field, from its annotation."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from stacks.attributes import Expression

KINDS = {str: "string", int: "number", bool: "bool", Expression: "string"}


def kind_of(annotation: Any) -> str:
    """The Terraform kind of a field's annotation."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = {kind_of(one) for one in typing.get_args(annotation) if one is not type(None)}
        assert len(kinds) == 1, annotation
        return kinds.pop()
    if typing.get_origin(annotation) is dict:
        return f"map({kind_of(typing.get_args(annotation)[1])})"
    if typing.get_origin(annotation) is tuple:
        return f"list({kind_of(typing.get_args(annotation)[0])})"
    return "block" if dataclasses.is_dataclass(annotation) and annotation not in KINDS else KINDS[annotation]
