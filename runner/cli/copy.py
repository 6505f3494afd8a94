"""hotadd copy: the block engine on its own."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import cast

from runner.blocks.bytefile import open_local
from runner.blocks.copy import CopyResult, copy_disk
from runner.blocks.device import Device, open_device
from runner.blocks.source import Source, check_stated, is_package, open_source
from runner.cli.asked_copy import CopyAsked, read_words
from schemas.errors import DONE
from schemas.location import is_local, s3_object


def run(words: list[str]) -> int:
    """Run `hotadd copy` with these words; its exit code. Raises `UsageWrong`, and what the engine raises."""
    asked = read_words(words)
    if is_package(asked.format) and is_local(asked.source):
        check_stated(open_local(asked.source), asked.format, asked.member)
    with ExitStack() as stack:
        source = stack.enter_context(closing(_open(asked)))
        device = stack.enter_context(closing(open_device(asked.device)))
        if asked.since is not None or asked.repair:
            import_module("runner.cli.copy_since").bring(asked, source, device)
            return DONE
        copied = _copy(asked, source, device)
    sentence = (
        f"{copied.bytes_total} bytes in {copied.seconds:.1f} s: {copied.bytes_data} data, "
        f"{copied.bytes_zero_written} zeroes written, {copied.bytes_zero_skipped} skipped"
    )
    print(json.dumps(asdict(copied)) if asked.json else f"{sentence}; digests in {asked.digests}")
    return DONE


def _open(asked: CopyAsked) -> Source:
    """The source; what AWS needs is loaded for an S3 object alone."""
    if s3_object(asked.source) is None:
        return open_source(asked.source, asked.format, asked.member)
    account = import_module("runner.aws.account").Account(os.environ.get("AWS_REGION") or "us-east-1")
    open_place = import_module("runner.phases.sources").open_place
    return cast(Source, open_place(asked.source, asked.format, asked.member, account))


def _copy(asked: CopyAsked, source: Source, device: Device) -> CopyResult:
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
