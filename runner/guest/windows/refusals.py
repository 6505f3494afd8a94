"""Why a Windows guest is refused: one class a reason."""

from __future__ import annotations

from schemas.errors import Refused


class HiveBroken(Refused):
    """A registry hive that cannot be brought to a state that Windows itself would load, or that cannot be read."""

    def __init__(self, hive: str, fault: str) -> None:
        super().__init__(
            f"The registry hive {hive} of the guest cannot be edited safely: {fault}.",
            "Start Windows on the source, shut it down in full (shutdown /s /t 0), and replicate it then.",
        )
        self.hive = hive
        self.fault = fault
