"""The access node's user data, held against cloud-init's own schema (from Debian 12's cloud-init 22.4.2)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from schemas.spec import Wheel
from stacks.user_data import UserDataTooLong, user_data

SCHEMA = json.loads((Path(__file__).parent / "data" / "cloud-config-22.4.2.schema.json").read_text())
DIGEST = hashlib.sha256(b"the wheel").hexdigest()
S3 = Wheel("s3://acme/dist/hotadd-0.1.0-py3-none-any.whl", DIGEST)


def document(wheel: Wheel = S3) -> Any:
    return yaml.safe_load(user_data(wheel))


def files() -> dict[str, str]:
    return {entry["path"]: entry["content"] for entry in document()["write_files"]}


def test_cloud_init_accepts_it() -> None:
    assert user_data(S3).splitlines()[0] == "#cloud-config"
    assert [error.message for error in Draft4Validator(SCHEMA).iter_errors(document())] == []


def test_schema_can_refuse() -> None:
    broken = {**document(), "packages": 7}
    assert list(Draft4Validator(SCHEMA).iter_errors(broken))


def test_wheel_is_pinned_by_digest() -> None:
    script = files()["/usr/local/sbin/hotadd-install"]
    assert f"{DIGEST}  " in script
    assert "s3://acme/dist/hotadd-0.1.0-py3-none-any.whl" in script
    assert "wheel=/opt/hotadd/hotadd-0.1.0-py3-none-any.whl\n" in script
    assert "{{" not in user_data(S3)
    # Installed only after the check, and the script ends at the first failure.
    assert script.index("sha256sum --check") < script.index("pip install")
    assert "set -eu" in script


def test_guests_are_left_alone() -> None:
    written = files()
    for rule in ("69-lvm", "64-md-raid-assembly", "60-multipath", "64-btrfs"):
        rules = written[f"/etc/udev/rules.d/{rule}.rules"].splitlines()
        assert rules and all(line.startswith("#") for line in rules), rule
    assert 'OPTIONS:="nowatch"' in written["/etc/udev/rules.d/99-hotadd.rules"]
    masked = {unit for command in document()["runcmd"] if "mask" in command for unit in command[3:]}
    assert {"lvm2-monitor.service", "mdmonitor.service", "multipathd.service", "udisks2.service"} <= masked
    assert 'devnode ".*"' in written["/etc/multipath.conf"]


def test_user_data_fits_or_is_refused() -> None:
    assert len(user_data(S3).encode()) < 8192
    with pytest.raises(UserDataTooLong):
        user_data(Wheel("https://example.org/" + "a" * 17000 + ".whl", DIGEST))


@pytest.mark.parametrize("name", ["a b.whl", "a';reboot;'.whl", "$(reboot).whl"])
def test_locations_are_quoted_for_the_shell(name: str) -> None:
    script = yaml.safe_load(user_data(Wheel(f"https://example.org/{name}", DIGEST)))["write_files"][-1]["content"]
    assert f"from={name}" not in script
    assert "reboot" not in script or "'" in next(line for line in script.splitlines() if line.startswith("from="))
