"""hotadd copy: the block engine on its own. Its start counts, so it reads its words without typer."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn, cast

from runner.blocks.bytefile import open_local
from runner.blocks.copy import CopyResult, Verify, Zeroes, copy_disk
from runner.blocks.delta import DeltaResult, copy_changes
from runner.blocks.device import Device, open_device
from runner.blocks.digests import DigestFile
from runner.blocks.limit import RateLimit
from runner.blocks.progress import Progress
from runner.blocks.source import FORMATS, Source, check_stated, is_package, open_source
from schemas.errors import DONE, Refused, UsageWrong


class DigestsMissing(Refused):
    """There is no digest file of an earlier copy where one was named."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no digest file {path}.", "Name what the earlier copy left, or use --repair."
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class _Asked:
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


def run(words: list[str]) -> int:
    """Run `hotadd copy` with these words; its exit code. Raises `UsageWrong`, and what the engine raises."""
    asked = _asked(words)
    if is_package(asked.format):
        check_stated(open_local(asked.source), asked.format, asked.member)
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_source(asked.source, asked.format, asked.member)))
        device = stack.enter_context(closing(open_device(asked.device)))
        if asked.since is not None or asked.repair:
            changed = _bring(asked, source, device, stack)
            sentence = (
                f"{changed.bytes_total} bytes in {changed.seconds:.1f} s: {changed.bytes_read} read, "
                f"{changed.bytes_changed} changed, {changed.bytes_written} written, {changed.bytes_zeroed} zeroed"
            )
            _say(asked, changed, sentence)
            return DONE
        copied = _copy(asked, source, device)
    sentence = (
        f"{copied.bytes_total} bytes in {copied.seconds:.1f} s: {copied.bytes_data} data, "
        f"{copied.bytes_zero_written} zeroes written, {copied.bytes_zero_skipped} skipped"
    )
    _say(asked, copied, sentence)
    return DONE


def _copy(asked: _Asked, source: Source, device: Device) -> CopyResult:
    checkpoint = asked.digests.with_suffix(".checkpoint")
    result = copy_disk(
        source,
        device,
        disk=Path(asked.source).stem or "disk",
        generation=1,
        digests=asked.digests,
        checkpoint=checkpoint,
        zeroes=asked.zeroes,
        verify=asked.verify,
        progress=asked.tell,
        threads=asked.threads,
        limit=asked.limit,
    )
    checkpoint.unlink(missing_ok=True)
    return result


def _bring(asked: _Asked, source: Source, device: Device, stack: ExitStack) -> DeltaResult:
    reference = None
    if asked.since is not None:
        try:
            reference = stack.enter_context(closing(DigestFile.open(asked.since)))
        except FileNotFoundError as error:
            raise DigestsMissing(asked.since) from error
    changes = None
    if asked.changes is not None:
        changes = import_module("runner.cli.change_list").read_extents(asked.changes, source.size)
    return copy_changes(
        source,
        device,
        disk=reference.disk if reference is not None else Path(asked.source).stem or "disk",
        generation=reference.generation + 1 if reference is not None else 1,
        reference=reference,
        digests=asked.digests,
        changes=changes,
        verify=asked.verify,
        progress=asked.tell,
        threads=asked.threads,
        limit=asked.limit,
    )


def _say(asked: _Asked, result: CopyResult | DeltaResult, sentence: str) -> None:
    print(json.dumps(asdict(result)) if asked.json else f"{sentence}; digests in {asked.digests}")


def _line(progress: Progress) -> str:
    mib, left = 1 << 20, progress.seconds_left
    done = f"{progress.stage}: {progress.bytes_done // mib} of {progress.bytes_total // mib} MiB"
    rest = f", {left:.0f} s left" if left is not None else ""
    return f"{done}, {progress.bytes_zero // mib} MiB zeroes, {progress.rate_bytes_s / 1e6:.0f} MB/s{rest}"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as the other commands do."""

    def error(self, message: str) -> NoReturn:
        raise UsageWrong(message[:1].upper() + message[1:] + ".", f"`{self.prog} --help` tells more.")


def _asked(words: list[str]) -> _Asked:
    parser = _Parser(
        prog="hotadd copy",
        description="Copy a disk image onto a device, digesting every 512 KiB block. Killed and run again, it goes on.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="the disk image, or an nbd:// or nbd+unix:// URI")
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
    add("--threads", type=int, default=4, metavar="N", help="requests in flight, of 2 MiB each (default: 4)")
    add("--json", action="store_true", help="the result as JSON, and progress as JSON lines on stderr")
    found = parser.parse_args(words)
    if found.changes is not None and found.since is None:
        parser.error("--changes narrows --since")
    if found.rate < 0 or not 1 <= found.threads <= 64:
        parser.error("--rate is over 0, --threads from 1 to 64")
    return _Asked(
        source=found.source,
        device=found.device,
        format=found.format,
        member=found.member,
        zeroes=cast(Zeroes, found.zeroes),
        verify=cast(Verify, found.verify),
        digests=found.digests or Path(f"{found.source}.digests"),
        since=found.since,
        changes=found.changes,
        repair=found.repair,
        limit=RateLimit(found.rate * 1e6) if found.rate else None,
        threads=found.threads,
        json=found.json,
    )
