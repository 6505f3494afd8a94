"""Where a replication lives on this machine: state, manifests, work, lock."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import Refused
from schemas.spec import Spec

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # proc_sys_kernel(5): one a boot, the same in all containers


class AlreadyRunning(Refused):
    """Another process works on the same replication."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"{name} is being worked on by {holder}.",
            "Wait for it to end, or stop it (Ctrl-C stops it cleanly); then run the command again.",
        )
        self.name = name
        self.holder = holder


@dataclass(frozen=True)
class Home:
    """The directory of one replication; its layout stands in docs/architecture.md."""

    name: str
    directory: Path

    @property
    def work(self) -> Path:
        """Synthesized stack, plans, events."""
        return self.directory / "work"

    @property
    def manifests(self) -> Path:
        """Manifests and digest files."""
        return self.directory / "manifest"

    @property
    def database(self) -> Path:
        """The durable workflow's SQLite file."""
        return self.directory / "replication.sqlite"

    @property
    def events(self) -> Path:
        """Every event of every run, as JSON lines."""
        return self.work / "events.jsonl"

    def generation(self, number: int) -> Path:
        """What one generation needs while it is in the making: checkpoints, overlays, records."""
        return self.work / f"generation-{number:04d}"

    @property
    def _lock(self) -> Path:
        return self.directory / "lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the replication's lock. Raises `AlreadyRunning` with who holds it. The kernel frees it on death."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(self.name, self.holder() or "another process") from error
            who = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "user": user(),
                "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def lock_identity(self) -> str:
        """What no other home's lock has at the same time: this boot of the kernel, device and inode of the lock file.

        Empty if nobody ever took the lock, or the kernel tells no boot id.
        """
        try:
            found, boot = self._lock.stat(), _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return ""
        return f"{boot}:{found.st_dev}:{found.st_ino}"

    def holder(self) -> str:
        """Who works on the replication now, in words; empty if nobody does."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                who = json.loads(os.pread(descriptor, 4096, 0))
                return f"process {who['pid']} of {who['user']} on {who['host']}, since {who['since']}"
            except (ValueError, KeyError):
                return "another process"
        else:
            return ""
        finally:
            os.close(descriptor)


def user() -> str:
    """The user's name, or the number of one without a name (in containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def state_directory() -> Path:
    """Where this machine keeps what belongs to it and not to a backend: HOTADD_HOME, else XDG's state directory."""
    named = os.environ.get("HOTADD_HOME")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "hotadd"


def home_of(spec: Spec) -> Home:
    """The home of a spec's replication: in the local backend's directory, else in this machine's state directory."""
    base = Path(spec.backend.local.path) if spec.backend.local is not None else state_directory() / "replications"
    return Home(spec.name, base / spec.name)
