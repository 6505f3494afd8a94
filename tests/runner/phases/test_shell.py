"""What firmware an instance really boots with: the table of "Instance launch behavior with Amazon EC2 boot modes"."""

from __future__ import annotations

import dataclasses

import pytest

from runner.aws.instances import Image, TypeLimits
from runner.phases.shell import effective_firmware

BOTH = TypeLimits("m5.large", 28, True, ("x86_64",), ("legacy-bios", "uefi"))
BIOS_ONLY = dataclasses.replace(BOTH, type="t2.micro", boot_modes=("legacy-bios",))
IMAGE = Image("ami-1", "available", "linux", "x86_64", "", "RunInstances", True, "", (), "/dev/xvda", "ebs", 1)


@pytest.mark.parametrize(
    ("boot_mode", "limits", "firmware"),
    [
        ("", BOTH, "bios"),
        ("", BIOS_ONLY, "bios"),
        ("legacy-bios", BOTH, "bios"),
        ("uefi", BOTH, "uefi"),
        ("uefi-preferred", BOTH, "uefi"),
        ("uefi-preferred", BIOS_ONLY, "bios"),
    ],
)
def test_the_effective_boot_mode(boot_mode: str, limits: TypeLimits, firmware: str) -> None:
    assert effective_firmware(dataclasses.replace(IMAGE, boot_mode=boot_mode), limits) == firmware
