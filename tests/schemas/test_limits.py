"""The limits of EBS volumes, as the EBS User Guide's "Amazon EBS volume types" gives them (September 2025)."""

import pytest

from schemas.limits import size_faults, volume_faults
from schemas.spec import VolumeSettings, VolumeType


def faults(volume: VolumeSettings, size_gib: int) -> list[str]:
    sizes = ["size_gib: " + sentence for sentence, _ in size_faults(volume, size_gib)]
    return sizes + [f"{key}: {sentence}" for key, sentence, _ in volume_faults(volume)]


@pytest.mark.parametrize(
    ("kind", "iops", "throughput", "size_gib"),
    [
        ("gp3", None, None, 1),
        ("gp3", None, None, 64 * 1024),
        ("gp3", 3000, 125, 1),
        ("gp3", 80000, 2000, 160),
        ("gp3", None, 750, 8),
        ("gp3", 4000, 1000, 8),
        ("gp2", None, None, 16 * 1024),
        ("io1", 100, None, 4),
        ("io1", 64000, None, 1280),
        ("io2", 256000, None, 256),
        ("io2", 4000, None, 64 * 1024),
    ],
)
def test_what_ebs_takes(kind: VolumeType, iops: int | None, throughput: int | None, size_gib: int) -> None:
    assert faults(VolumeSettings(kind, iops, throughput), size_gib) == []


@pytest.mark.parametrize(
    ("kind", "iops", "throughput", "size_gib", "told"),
    [
        ("gp3", None, None, 64 * 1024 + 1, "size_gib: Volumes of type gp3 have 1 to 65536 GiB, not 65537."),
        ("gp3", 2999, None, 100, "iops: gp3 takes 3000 to 80000 iops."),
        ("gp3", 80001, None, 1000, "iops: gp3 takes 3000 to 80000 iops."),
        ("gp3", 3001, None, 6, "size_gib: 6 GiB of gp3 take 3000 iops at most, not 3001."),
        ("gp3", 80000, None, 159, "size_gib: 159 GiB of gp3 take 79500 iops at most, not 80000."),
        ("gp3", 80000, 2001, 200, "throughput: gp3 takes 125 to 2000 MiB/s."),
        ("gp3", None, 124, 8, "throughput: gp3 takes 125 to 2000 MiB/s."),
        ("gp3", None, 751, 8, "throughput: 751 MiB/s need 3004 iops, and there are 3000."),
        ("gp3", 7999, 2000, 100, "throughput: 2000 MiB/s need 8000 iops, and there are 7999."),
        ("gp2", None, None, 16 * 1024 + 1, "size_gib: Volumes of type gp2 have 1 to 16384 GiB, not 16385."),
        ("gp2", 3000, None, 8, "iops: gp2 takes no iops."),
        ("gp2", None, 250, 8, "throughput: gp2 takes no throughput."),
        ("io1", None, None, 8, "iops: io1 needs iops."),
        ("io1", 100, None, 3, "size_gib: Volumes of type io1 have 4 to 16384 GiB, not 3."),
        ("io1", 401, None, 8, "size_gib: 8 GiB of io1 take 400 iops at most, not 401."),
        ("io1", 64001, None, 16384, "iops: io1 takes 100 to 64000 iops."),
        ("io1", 200, 500, 8, "throughput: io1 takes no throughput."),
        ("io2", None, None, 8, "iops: io2 needs iops."),
        ("io2", 256001, None, 1000, "iops: io2 takes 100 to 256000 iops."),
        ("io2", 4001, None, 4, "size_gib: 4 GiB of io2 take 4000 iops at most, not 4001."),
        ("st1", None, None, 125, "type: A volume of type st1 cannot boot, and one of these does."),
        ("sc1", None, None, 125, "type: A volume of type sc1 cannot boot, and one of these does."),
    ],
)
def test_what_ebs_refuses(kind: VolumeType, iops: int | None, throughput: int | None, size_gib: int, told: str) -> None:
    assert faults(VolumeSettings(kind, iops, throughput), size_gib) == [told]


def test_a_key_without_encryption() -> None:
    (told,) = faults(VolumeSettings(encrypted=False, kms_key_id="alias/x"), 8)
    assert told == "kms_key_id: A KMS key is named, but encryption is off."
    assert faults(VolumeSettings(encrypted=True, kms_key_id="alias/x"), 8) == []
