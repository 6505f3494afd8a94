"""The words of `hotadd copy`, read without typer: its start counts."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn, cast

from runner.blocks.copy import Verify, Zeroes
from runner.blocks.limit import RateLimit
from runner.blocks.progress import Progress
from runner.blocks.source import FORMATS
from schemas.errors import UsageWrong
from schemas.location import is_local


@dataclass(frozen=True, slots=True)
class CopyAsked:
    """The command's words, as typed."""

    source: str
    device: str
    format: str
    member: str
    zeroes: Zeroes
    verify: Verify
    digests: Path
    since: Path | None
    changes: Path | None
    repair: bool
    limit: RateLimit | None
    threads: int
    json: bool

    def tell(self, progress: Progress) -> None:
        """A line a second: over the last one on a terminal, a document each with --json."""
        if self.json:
            print(json.dumps({"progress": asdict(progress)}), file=sys.stderr, flush=True)
        elif sys.stderr.isatty():
            last = "\n" if progress.bytes_done == progress.bytes_total else ""
            print(f"\r\033[K{_line(progress)}", end=last, file=sys.stderr, flush=True)


def _line(progress: Progress) -> str:
    mib, left = 1 << 20, progress.seconds_left
    done = f"{progress.stage}: {progress.bytes_done // mib} of {progress.bytes_total // mib} MiB"
    rest = f", {left:.0f} s left" if left is not None else ""
    return f"{done}, {progress.bytes_zero // mib} MiB zeroes, {progress.rate_bytes_s / 1e6:.0f} MB/s{rest}"


def _digests_of(source: str) -> Path:
    """Beside a local source; of a URI in the working directory, under its name without what a file's cannot have."""
    if is_local(source):
        return Path(f"{source}.digests")
    return Path(re.sub(r"[^A-Za-z0-9.-]+", "-", source).strip("-") + ".digests")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as the other commands do."""

    def error(self, message: str) -> NoReturn:
        raise UsageWrong(message[:1].upper() + message[1:] + ".", f"`{self.prog} --help` tells more.")


def read_words(words: list[str]) -> CopyAsked:
    """What is asked; raises `UsageWrong`, and `SystemExit` after --help."""
    parser = _Parser(
        prog="hotadd copy",
        description="Copy a disk image onto a device, digesting every 512 KiB block. Killed and run again, it goes on.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="the disk image: a path, s3://bucket/key, or an nbd:// URI")
    add("device", metavar="DEVICE", help="a block device or an existing file, at least as large")
    add("--format", choices=FORMATS, default="raw", help="format of the image; it is never guessed (default: raw)")
    add("--member", default="", metavar="FILE", help="the disk's file name in an OVA or OVF of several")
    add("--zeroes", choices=("auto", "skip", "write"), default="write", help="skip: DEVICE is known to be all zeroes")
    add("--verify", choices=("none", "written", "full"), default="none", help="read the device back and compare")
    add("--digests", type=Path, metavar="FILE", help="digest file to write (default: SOURCE.digests)")
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument(
        "--since", type=Path, metavar="DIGESTS", help="DEVICE holds what this digest file of an earlier copy says"
    )
    earlier.add_argument("--repair", action="store_true", help="compare with DEVICE, and write only what differs")
    add("--changes", type=Path, metavar="FILE", help="with --since: list of the blocks that changed, all others unread")
    add("--rate", type=float, default=0, metavar="MB/S", help="at most so many million bytes a second")
    add("--threads", type=int, default=8, metavar="N", help="requests in flight, of 1 MiB each (default: 8)")
    add("--json", action="store_true", help="the result as JSON, and progress as JSON lines on stderr")
    found = parser.parse_args(words)
    if found.changes is not None and found.since is None:
        parser.error("--changes narrows --since")
    if found.rate < 0 or not 1 <= found.threads <= 64:
        parser.error("--rate is over 0, --threads from 1 to 64")
    return CopyAsked(
        source=found.source,
        device=found.device,
        format=found.format,
        member=found.member,
        zeroes=cast(Zeroes, found.zeroes),
        verify=cast(Verify, found.verify),
        digests=found.digests or _digests_of(found.source),
        since=found.since,
        changes=found.changes,
        repair=found.repair,
        limit=RateLimit(found.rate * 1e6) if found.rate else None,
        threads=found.threads,
        json=found.json,
    )
