"""A machine whose state and manifests are in a bucket, told of from a machine that never saw it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import boto3
import pytest

from runner.cli.job import manifests_of
from runner.cli.main import run
from runner.home import home_of
from runner.lab import account
from tests.runner.report.document import parsed
from tests.runner.report.ground import Ground, Painted

pytestmark = [pytest.mark.lab, pytest.mark.process]


@dataclasses.dataclass(frozen=True)
class InBucket(Ground):
    """The same with an S3 backend."""

    def document(self) -> dict[str, object]:
        s3 = {"bucket": "replicas", "prefix": "prod", "region": "us-east-1"}
        return {**super().document(), "backend": {"s3": s3}}


def test_everything_is_read_from_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = account.up(tmp_path / "lab", boot=False)
    try:
        for name, value in account.environment(lab.directory).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOTADD_HOME", str(tmp_path / "first"))
        ground = InBucket(tmp_path, "web01", (Painted("root", "DDCCCZ", injected=(1,)),))
        ground.two_generations()
        client = boto3.client("s3")
        client.create_bucket(Bucket="replicas")
        store = manifests_of(ground.spec, home_of(ground.spec))
        for generation in (1, 2):
            made = ground.manifests.read(generation)
            assert made is not None
            path = store.digest_file(generation, "root")
            path.parent.mkdir(parents=True)
            path.write_bytes(ground.manifests.digest_file(generation, "root").read_bytes())
            store.write(made)
        state = (ground.home.directory / "terraform.tfstate").read_bytes()
        client.put_object(Bucket="replicas", Key="prod/web01/terraform.tfstate", Body=state)
        lock = {"host": "node-2", "user": "ops", "pid": 7, "since": "2026-11-23T09:00:00Z", "token": "ab"}
        client.put_object(Bucket="replicas", Key="prod/web01/lock.json", Body=json.dumps(lock))

        monkeypatch.setenv("HOTADD_HOME", str(tmp_path / "second"))
        page = tmp_path / "report.html"
        assert run(["report", str(ground.spec_file), "-o", str(page)]) == 0
        (card,) = parsed(page.read_text()).all("details", "card")
        assert card.all("span", "state")[0].text == "running"
        assert "process 7 of ops on node-2, since 2026-11-23T09:00:00Z" in card.all("dl")[0].text
        assert [li.text for li in card.all("li", "here")] == ["target"]
        counts = {row[0]: row[1] for row in card.all("div", "disk")[0].all("table")[0].rows()}
        assert counts == {"drifted": "0", "changed": "3", "injected": "1", "unchanged": "1", "zero": "1"}
    finally:
        account.down(lab.directory)
