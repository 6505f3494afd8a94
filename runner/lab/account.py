"""`hotadd lab up | down | env`: an EC2 account in a box."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path

from runner.lab.layout import Layout
from runner.lab.provider import cache_directory, provider_mirror
from runner.lab.record import LabDown, LabInfo, read_record
from runner.lab.settings import Settings
from runner.process import run

ACCESS_KEY = "AKIAHOTADDLAB0000000"
SECRET_KEY = "lab"
_START_SECONDS = 60.0  # moto imports in 2 s on an idle machine, in 20 s on a busy one
_STOP_SECONDS = 10.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def default_directory() -> Path:
    """HOTADD_LAB_DIR, else `.lab` in the working directory."""
    return Path(os.environ.get("HOTADD_LAB_DIR", ".lab")).absolute()


def up(
    directory: Path,
    *,
    port: int = 0,
    boot: bool = True,
    snapshot_seconds: float = 1.0,
    status_seconds: float = Settings.status_seconds,
    settle_seconds: float = Settings.settle_seconds,
) -> LabInfo:
    """Start the lab's server in the background and return when it answers.

    `port` 0 takes a free one. Without `boot`, instances run without QEMU and pass their status checks at once.
    `snapshot_seconds` is how long a snapshot stays `pending`; `status_seconds`, how long a guest may stay silent
    before it is `impaired`; `settle_seconds`, how long states like `stopping` last. If a lab already runs there, it
    is returned as it is. What a dead lab left is removed.
    """
    directory = directory.absolute()
    try:
        return info(directory)
    except LabDown:
        _clear(directory)
    layout = Layout(directory)
    layout.make()
    settings = Settings(
        boot=boot, snapshot_seconds=snapshot_seconds, status_seconds=status_seconds, settle_seconds=settle_seconds
    )
    # Read by moto when it is imported: only the lab's own AMIs, and no page in a browser may call it.
    moto = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_DISABLE_GLOBAL_CORS": "true"}
    # A user's AWS_PROFILE or AWS_CONFIG_FILE means another account; moto's own botocore would stumble over it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    run(
        [sys.executable, "-m", "runner.lab.server", directory, str(port), json.dumps(asdict(settings))],
        timeout=_START_SECONDS,
        env={**inherited, **moto},
    )
    return info(directory)


def info(directory: Path) -> LabInfo:
    """The lab that runs in `directory`; raises `LabDown` when none does."""
    found = read_record(directory.absolute())
    try:
        with _NO_PROXY.open(f"{found.endpoint}/hotadd-lab/state", timeout=5) as answer:
            if json.load(answer)["pid"] == found.pid:
                return found
    except (OSError, ValueError, urllib.error.URLError):
        pass
    raise LabDown(directory)


def down(directory: Path, *, keep: bool = False) -> None:
    """End the lab's server and with it every guest; remove its data unless `keep`."""
    directory = directory.absolute()
    try:
        found = info(directory)
    except LabDown:
        pass
    else:
        os.kill(found.pid, signal.SIGTERM)
        patience = time.monotonic() + _STOP_SECONDS
        while _alive(found.pid):
            if time.monotonic() > patience:
                os.kill(found.pid, signal.SIGKILL)
                patience += _STOP_SECONDS
            time.sleep(0.05)
        found.layout.record.unlink(missing_ok=True)
    if not keep:
        _clear(directory)


def environment(directory: Path) -> dict[str, str]:
    """The environment that leads any AWS client, Terraform and hotadd itself to the lab.

    Raises `LabDown`, and `ProviderMissing` when no AWS provider for Terraform can be found.
    """
    found = info(directory)
    proxied = any(name in os.environ for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"))
    return {
        "AWS_ENDPOINT_URL": found.endpoint,
        "AWS_REGION": found.region,
        "AWS_DEFAULT_REGION": found.region,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOTADD_DEVICE_DIR": str(found.layout.root / "instances" / "{instance_id}" / "by-id"),
        "TF_CLI_CONFIG_FILE": str(_terraform_config(found.layout)),
        **({"NO_PROXY": "127.0.0.1"} if proxied else {}),
    }


def _terraform_config(layout: Layout) -> Path:
    """Written once a lab, for looking for a provider may mean waiting for the registry."""
    forced = os.environ.get("HOTADD_PROVIDER", "")
    path = layout.root / (f"terraformrc-{forced}" if forced else "terraformrc")
    if not path.exists():
        path.write_text(provider_mirror(cache_directory()).config)
    return path


def _alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody waits for does not count."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def _clear(directory: Path) -> None:
    """Remove what a lab makes, and the directory if nothing else is in it."""
    for name in ("volumes", "snapshots", "instances", "log"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for path in (*directory.glob("terraformrc*"), directory / "lab.json", directory / "server.log"):
        path.unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
