"""Making a hive ready for an edit: clean as it is, or with what its transaction logs still hold. Pure.

Windows keeps what it changed in LOG1 and LOG2 and writes it to the hive up to an hour later, so the hive of a machine
that was not shut down is dirty as a rule. hivex opens such a hive without a word, and its commit makes the sequence
numbers equal, after which Windows would ignore the logs: their changes would be lost, and where Windows had written
some of its pages already, the hive would be inconsistent.
"""

from __future__ import annotations

from runner.guest.windows import dirty_vector, log_entries, regf
from runner.guest.windows.refusals import HiveBroken


def ready(hive: bytes, log1: bytes | None, log2: bytes | None, name: str = "SYSTEM") -> bytes:
    """The hive as Windows would load it: the same bytes when it is clean, else with its logs replayed.

    A replayed hive has equal sequence numbers beyond those of every entry, so that no log is ever applied to it again.
    `name` is for the refusal. Raises `HiveBroken` when the hive is no hive, or its logs do not make it whole; the
    caller then writes nothing.
    """
    if len(hive) > regf.MOST_HIVE:
        raise HiveBroken(name, f"it has {len(hive)} bytes, and {regf.MOST_HIVE} are the most that hotadd reads")
    block = regf.base_block(hive)
    if not block.valid or block.kind != regf.PRIMARY:
        raise HiveBroken(name, "its base block is damaged")
    if block.even:
        regf.check_bins(hive, name)
        return hive
    logs = [
        _log(log, f"{name}.LOG{number}") for number, log in ((1, log1), (2, log2)) if log and any(log[: regf.SECTOR])
    ]
    if not logs:
        raise HiveBroken(name, "its last write was not finished, and it has no transaction log")
    whole = bytearray(hive)
    if any(regf.base_block(log).kind == regf.NEW_LOG for _, log in logs):
        _replay_entries(whole, block, logs, name)
    else:
        _replay_vector(whole, block, logs, name)
    regf.check_bins(whole, name)
    return bytes(whole)


def _log(log: bytes, name: str) -> tuple[str, bytes]:
    """A log whose base block is right; a damaged one may be the one that matters."""
    if len(log) > regf.MOST_LOG:
        raise HiveBroken(name, f"it has {len(log)} bytes, and {regf.MOST_LOG} are the most that hotadd reads")
    block = regf.base_block(log)
    if not block.valid or not block.even:
        raise HiveBroken(name, "it is a damaged transaction log, and the hive's last write was not finished")
    return name, log


def _replay_entries(hive: bytearray, block: regf.BaseBlock, logs: list[tuple[str, bytes]], name: str) -> None:
    entries = log_entries.in_order(
        block,
        [log_entries.read(file, log) for file, log in logs if regf.base_block(log).kind == regf.NEW_LOG],
        name,
    )
    log_entries.apply(hive, entries)
    regf.finish(hive, entries[-1].sequence + 1, entries[-1].bins)


def _replay_vector(hive: bytearray, block: regf.BaseBlock, logs: list[tuple[str, bytes]], name: str) -> None:
    log = next((log for _, log in logs if dirty_vector.applies(block, log)), None)
    if log is None:
        raise HiveBroken(name, "its last write was not finished, and its logs are of another time")
    bins = dirty_vector.apply(hive, log, name)
    regf.finish(hive, max(block.primary, regf.base_block(log).primary) + 1, bins)
