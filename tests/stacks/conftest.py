"""Specs to declare, a door that answers like S3, and the app as the program that users run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from runner.process import Completed, run
from schemas.loading import load_spec
from schemas.spec import Disk, Spec

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def web01() -> Spec:
    """Linux, two disks (root, data), an existing access node, local backend."""
    return load_spec(EXAMPLES / "linux-web01.yaml")


@pytest.fixture
def db01() -> Spec:
    """Linux, three disks, the declared access node fra-a, S3 backend, KMS."""
    return load_spec(EXAMPLES / "declared-db01.yaml")


@pytest.fixture
def with_disks() -> Callable[..., Spec]:
    """A spec with other disks: the first of the ids boots."""

    def change(spec: Spec, *ids: str) -> Spec:
        disks = tuple(Disk(id=one, path=f"/d/{one}.raw", size_gib=8, boot=at == 0) for at, one in enumerate(ids))
        return replace(spec, source=replace(spec.source, disks=disks))

    return change


@dataclass
class S3Door:
    """A server in this process that speaks enough of S3 for GetObject. `objects` maps ``/bucket/key`` to what is
    there; `refusal` is a status and an error code for everything else."""

    url: str
    objects: dict[str, bytes] = field(default_factory=dict)
    refusal: tuple[int, str] = (404, "NoSuchKey")
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def s3_door() -> Iterator[S3Door]:
    """S3 on loopback, empty at first."""
    door = S3Door("")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            door.asked.append(self.path)
            body = door.objects.get(self.path)
            status, code = (200, "") if body is not None else door.refusal
            if body is None:
                body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep standard error clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield door
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def synth() -> Callable[..., Completed]:
    """`synth(arguments, environment={})`: ``python -m stacks`` as users run it, whatever its exit code."""

    def start(arguments: list[str | Path], environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Completed:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "HOTADD_", "CDKTF_"))}
        environment = {**clean, "PYTHONPATH": str(ROOT), **(environment or {})}
        argv = [sys.executable, "-m", "stacks", *arguments]
        return run(argv, timeout=180, env=environment, cwd=cwd, accept=range(256))

    return start
