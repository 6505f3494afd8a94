"""What a machine's stack tells: the outputs of its Terraform state, which also make the defaults of the next synth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["detached", "staging", "target"]
PHASES: tuple[Phase, ...] = ("detached", "staging", "target")
CONTRACT = 1


@dataclass(frozen=True)
class Outputs:
    """`terraform output -json` of a machine's stack, values only.

    Maps are keyed by disk id. `slots` are device names on the access node (xvdf ...), `destination_devices` those on
    the destination. `instance_id` is empty until the destination was launched (Terraform drops null outputs).
    """

    contract: int
    replication: str
    phase: Phase
    launched: bool
    slots: dict[str, str]
    root_device: str
    destination_devices: dict[str, str]
    volumes: dict[str, str]
    sizes_gib: dict[str, int]
    access_node_id: str
    instance_id: str = ""
