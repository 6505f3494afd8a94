"""Real Terraform with the real AWS provider: it makes what hotadd declares, finds nothing to change, and removes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from runner.lab import account
from runner.lab.record import LabInfo
from runner.process import Completed, run
from runner.terraform.binary import terraform_command

pytestmark = [pytest.mark.terraform, pytest.mark.lab]
MINUTES = 60.0

CONFIGURATION = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
  backend "s3" {
    bucket                      = "state"
    key                         = "web01/terraform.tfstate"
    region                      = "us-east-1"
    use_lockfile                = true
    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_requesting_account_id  = true
  }
}
provider "aws" {
  region                      = "us-east-1"
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_credentials_validation = true
  endpoints {
    ec2 = "@ENDPOINT@"
    iam = "@ENDPOINT@"
    kms = "@ENDPOINT@"
    sts = "@ENDPOINT@"
  }
}
variable "phase" { type = string }
resource "aws_ebs_volume" "disk" {
  for_each          = toset(["os", "data"])
  availability_zone = "us-east-1a"
  size              = 1
  type              = "gp3"
  encrypted         = true
  tags              = { "hotadd:disk" = each.key }
}
resource "aws_volume_attachment" "disk" {
  for_each    = var.phase == "staging" ? { os = "/dev/xvdf", data = "/dev/xvdg" } : {}
  volume_id   = aws_ebs_volume.disk[each.key].id
  instance_id = "@NODE@"
  device_name = each.value
}
resource "aws_iam_role" "node" {
  name               = "node"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
resource "aws_iam_role_policy" "node" {
  name   = "control"
  role   = aws_iam_role.node.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ec2:Describe*"], Resource = "*" }] })
}
resource "aws_iam_policy" "data" {
  name   = "data"
  policy = aws_iam_role_policy.node.policy
}
resource "aws_iam_role_policy_attachment" "data" {
  role       = aws_iam_role.node.name
  policy_arn = aws_iam_policy.data.arn
}
resource "aws_iam_instance_profile" "node" {
  name = "node"
  role = aws_iam_role.node.name
}
resource "aws_security_group" "node" {
  name   = "node"
  vpc_id = "@VPC@"
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_instance" "destination" {
  ami                    = "@AMI@"
  instance_type          = "m5.large"
  subnet_id              = "@SUBNET@"
  vpc_security_group_ids = [aws_security_group.node.id]
  iam_instance_profile   = aws_iam_instance_profile.node.name
  metadata_options {
    http_tokens   = "required"
    http_endpoint = "enabled"
  }
  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    tags        = { "hotadd:role" = "shell-root" }
  }
  tags = { Name = "web01" }
}
"""


# The journey's tests drive the provider at hand through more than this.
@pytest.fixture(params=[pytest.param("at hand", marks=pytest.mark.slow), "3.39.0"])
def provided(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "at hand":
        monkeypatch.delenv("HOTADD_PROVIDER", raising=False)
    else:
        monkeypatch.setenv("HOTADD_PROVIDER", request.param)
    return str(request.param)


@pytest.fixture
def terraform(provided: str, lab: LabInfo, tmp_path: Path) -> Iterator[Callable[..., Completed]]:
    environment = {**os.environ, **account.environment(lab.directory)}
    text = CONFIGURATION
    values = (lab.endpoint, lab.access_node_id, lab.vpc_id, lab.amis["linux"], lab.subnet_id)
    for word, value in zip(("ENDPOINT", "NODE", "VPC", "AMI", "SUBNET"), values, strict=True):
        text = text.replace(f"@{word}@", value)
    (tmp_path / "main.tf").write_text(text)

    def act(*words: str, accept: tuple[int, ...] = (0,)) -> Completed:
        return run(
            [*terraform_command(), *words, "-no-color"],
            cwd=tmp_path,
            env=environment,
            timeout=10 * MINUTES,
            accept=accept,
        )

    s3 = boto3.client(
        "s3",
        endpoint_url=lab.endpoint,
        region_name=lab.region,
        aws_access_key_id=account.ACCESS_KEY,
        aws_secret_access_key=account.SECRET_KEY,
    )
    s3.create_bucket(Bucket="state")
    yield act
    for item in s3.list_objects_v2(Bucket="state").get("Contents", []):
        s3.delete_object(Bucket="state", Key=item["Key"])


def test_round_trip(terraform: Callable[..., Completed], lab: LabInfo) -> None:
    there = {path.name for path in (lab.directory / "volumes").iterdir()}
    staging = ("-input=false", "-var", "phase=staging")
    terraform("init", "-input=false")
    terraform("apply", "-auto-approve", *staging)
    assert len(list(lab.layout.by_id(lab.access_node_id).iterdir())) == 3  # its own root, and two disks
    terraform("plan", "-detailed-exitcode", *staging)  # 2 would mean: something to change
    terraform("apply", "-auto-approve", "-input=false", "-var", "phase=detached")
    assert len(list(lab.layout.by_id(lab.access_node_id).iterdir())) == 1
    terraform("destroy", "-auto-approve", *staging)
    assert {path.name for path in (lab.directory / "volumes").iterdir()} == there
    assert "PutObject" in lab.layout.api_log.read_text()  # the state went to S3, under a lock
