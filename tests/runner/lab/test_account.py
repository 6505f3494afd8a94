"""Up, down and what stands in the environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from runner.lab import account
from runner.lab.record import LabDown

pytestmark = pytest.mark.lab


def test_up_is_idempotent_and_down_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    first = account.up(directory, boot=False)
    assert account.up(directory, boot=False) == first
    account.down(directory)
    assert not directory.exists()
    with pytest.raises(LabDown, match="No lab is running"):
        account.info(directory)
    account.down(directory)  # once more is no error


def test_a_dead_lab_is_replaced(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    first = account.up(tmp_path, boot=False)
    os.kill(first.pid, signal.SIGKILL)
    second = account.up(tmp_path, boot=False)
    try:
        assert second.pid != first.pid
        assert {path.name for path in (tmp_path / "instances").iterdir()} == {second.access_node_id}
    finally:
        account.down(tmp_path)


def test_down_keeps_the_data_if_told_to(tmp_path: Path) -> None:
    account.up(tmp_path, boot=False)
    account.down(tmp_path, keep=True)
    assert list((tmp_path / "volumes").iterdir())
    with pytest.raises(LabDown):
        account.info(tmp_path)


def test_the_environment_leads_an_aws_client_to_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plugins = tmp_path_factory.mktemp("plugins")
    program = plugins / "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/terraform-provider-aws_v5.100.0_x5"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("TF_PLUGIN_CACHE_DIR", str(plugins))
    lab = account.up(tmp_path, boot=False)
    try:
        found = account.environment(tmp_path)
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        identity = boto3.client("sts").get_caller_identity()
        assert identity["Account"] == lab.account_id
        devices = Path(os.environ["HOTADD_DEVICE_DIR"].replace("{instance_id}", lab.access_node_id))
        (root,) = boto3.client("ec2").describe_volumes()["Volumes"]
        assert [path.name for path in devices.iterdir()] == [
            f"nvme-Amazon_Elastic_Block_Store_{root['VolumeId'].replace('-', '')}"
        ]
        assert str(plugins) in Path(found["TF_CLI_CONFIG_FILE"]).read_text()
    finally:
        account.down(tmp_path)
