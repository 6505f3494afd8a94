"""How a lab behaves. Imports nothing, so that the command line need not load moto."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Times in seconds."""

    boot: bool = True
    snapshot_seconds: float = 1.0
    settle_seconds: float = 0.2  # how long a state like `pending` or `stopping` lasts at least
    status_seconds: float = 300.0  # without a sign of life on the network for so long, a guest is `impaired`
    stop_seconds: float = 60.0  # how long a guest may take to heed the power button
