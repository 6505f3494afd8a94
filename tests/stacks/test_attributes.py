"""Every attribute we may emit is one that AWS provider 6.25 knows, with its kind (data from PyPI's bindings)."""

from __future__ import annotations

import dataclasses
import json
import typing
from importlib.resources import files
from typing import Any

import pytest

from stacks import attributes
from stacks.attributes import DATA_SOURCES, RESOURCES, Attributes, Provider
from tests.stacks.kinds import kind_of

KNOWN = json.loads(files("stacks").joinpath("provider_attributes.json").read_text())
CASES = [
    *[pytest.param(one, KNOWN["resource"][one.TYPE], id=f"resource-{one.TYPE}") for one in RESOURCES],
    *[pytest.param(one, KNOWN["data"][one.TYPE], id=f"data-{one.TYPE}") for one in DATA_SOURCES],
    pytest.param(Provider, KNOWN["provider"]["aws"], id="provider"),
]


def nested(annotation: Any) -> Any:
    """The dataclass of a nested block."""
    parts = [annotation, *typing.get_args(annotation)]
    return next(one for one in parts if dataclasses.is_dataclass(one))


def check(model: Any, known: dict[str, Any], where: str) -> None:
    """Names, kinds and nesting of a model against the names that the provider knows."""
    hints = typing.get_type_hints(model)
    for field in dataclasses.fields(model):
        assert field.name in known, f"{where}.{field.name} is unknown to the provider"
        kind = kind_of(hints[field.name])
        if kind == "block":
            check(nested(hints[field.name]), known[field.name]["block"], f"{where}.{field.name}")
        else:
            assert known[field.name]["type"] == kind, f"{where}.{field.name}"
    ours = {field.name for field in dataclasses.fields(model)}
    missing = {name for name, described in known.items() if described["required"]} - ours
    assert not missing, f"{where} lacks what the provider requires"


@pytest.mark.parametrize(("model", "known"), CASES)
def test_provider_knows_every_attribute(model: type[Attributes], known: dict[str, Any]) -> None:
    check(model, known, model.TYPE)


def test_data_is_of_the_version_the_documents_name() -> None:
    assert KNOWN["provider_version"] == "6.25.0"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (attributes.Instance, "associate_public_ip_address"),  # replaces a stopped instance
        (attributes.Instance, "volume_tags"),  # fights the volumes' own tags
        (attributes.VolumeAttachment, "force_detach"),
        (attributes.VolumeAttachment, "stop_instance_before_detaching"),
        (attributes.Provider, "access_key"),
        (attributes.Provider, "secret_key"),
        (attributes.Provider, "token"),
    ],
)
def test_what_must_never_be_emitted_has_no_field(model: Any, name: str) -> None:
    assert name not in {field.name for field in dataclasses.fields(model)}
