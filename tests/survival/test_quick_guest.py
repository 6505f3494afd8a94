"""The quick guest stands in for the conversion: it must be called as that is."""

from __future__ import annotations

import inspect

import pytest

from runner.guest import conversion
from tests.survival import quick_guest


@pytest.mark.parametrize("name", ["inspect", "check", "prepare"])
def test_it_is_called_as_the_conversion_is(name: str) -> None:
    stands, real = (inspect.signature(getattr(module, name)).parameters for module in (quick_guest, conversion))
    told = [[(p.name.lstrip("_"), p.kind, p.default, p.annotation) for p in each.values()] for each in (stands, real)]
    assert told[0] == told[1]
