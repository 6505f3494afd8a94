"""Instances through their lives; the boots are of a boot sector that says a word on the serial port and halts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from runner.lab import account
from runner.lab.record import LabInfo
from tests.lab_log import read_log

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

SILENT_SECONDS = 30.0  # longer than QEMU takes to show a first word on a busy machine


def boot_sector(word: bytes) -> bytes:
    """16-bit code: cli; mov dx,3f8h; for each letter mov al,letter; out dx,al; then hlt for ever."""
    code = b"\xfa\xba\xf8\x03" + b"".join(bytes([0xB0, letter, 0xEE]) for letter in word) + b"\xf4\xeb\xfd"
    return code.ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture(scope="module")
def booting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    directory = tmp_path_factory.mktemp("booting")
    yield account.up(directory, snapshot_seconds=0.1, status_seconds=SILENT_SECONDS)
    account.down(directory)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[LabInfo]:
    """A lab whose states last 8 s, so that even a busy machine sees them."""
    yield account.up(tmp_path, boot=False, settle_seconds=8.0)
    account.down(tmp_path)


@pytest.fixture(scope="module")
def cloud(booting: LabInfo) -> EC2Client:
    return client(booting)


def client(lab: LabInfo) -> EC2Client:
    keys = {"aws_access_key_id": account.ACCESS_KEY, "aws_secret_access_key": account.SECRET_KEY}
    return boto3.client("ec2", endpoint_url=lab.endpoint, region_name=lab.region, **keys)


def run_shell(ec2: EC2Client, lab: LabInfo, image: str = "linux", **more: Any) -> str:
    asked = {"ImageId": lab.amis[image], "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, **more}
    instance_id = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
    return instance_id


def stop(ec2: EC2Client, instance_id: str, *, force: bool = False) -> None:
    ec2.stop_instances(InstanceIds=[instance_id], Force=force)
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})


def describe(ec2: EC2Client, instance_id: str) -> Any:
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def checks(ec2: EC2Client, instance_id: str) -> tuple[str, str]:
    (status,) = ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
    return status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]


def swap_root(ec2: EC2Client, lab: LabInfo, instance_id: str, content: bytes) -> str:
    """What a root swap does: off with the shell's own root, on with a volume that holds something."""
    own = describe(ec2, instance_id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.detach_volume(VolumeId=own, InstanceId=instance_id)
    ec2.delete_volume(VolumeId=own)
    root = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    with open(lab.layout.volume(root), "r+b") as file:
        file.write(content)
    ec2.attach_volume(VolumeId=root, InstanceId=instance_id, Device="/dev/xvda")
    return root


def device_events(lab: LabInfo, instance_id: str) -> list[dict[str, Any]]:
    return [line for line in read_log(lab.layout.device_log) if line.get("instance") == instance_id]


@pytest.mark.boot
@pytest.mark.lab
def test_a_swapped_root_boots(booting: LabInfo, cloud: EC2Client, wait_for: Callable[..., None]) -> None:
    instance_id = run_shell(cloud, booting)
    assert checks(cloud, instance_id) == ("ok", "ok")  # the shell itself has nothing to boot
    stop(cloud, instance_id)
    root = swap_root(cloud, booting, instance_id, boot_sector(b"HOTADD"))
    data = cloud.create_volume(AvailabilityZone=booting.availability_zone, Size=1)["VolumeId"]
    cloud.attach_volume(VolumeId=data, InstanceId=instance_id, Device="/dev/sdf")
    cloud.start_instances(InstanceIds=[instance_id])
    wait_for(lambda: "HOTADD" in cloud.get_console_output(InstanceId=instance_id)["Output"], True, 30)
    assert checks(cloud, instance_id) == ("ok", "initializing")
    (boot,) = [event for event in device_events(booting, instance_id) if event["event"] == "boot"]
    assert boot["disks"] == [root.replace("-", ""), data.replace("-", "")]
    # A device that the guest has open is only let go when it is off.
    cloud.detach_volume(VolumeId=data, InstanceId=instance_id)
    (volume,) = cloud.describe_volumes(VolumeIds=[data])["Volumes"]
    assert (volume["State"], volume["Attachments"][0]["State"]) == ("in-use", "busy")
    wait_for(lambda: checks(cloud, instance_id), ("ok", "impaired"), SILENT_SECONDS + 5)
    stop(cloud, instance_id, force=True)
    assert cloud.describe_volumes(VolumeIds=[data])["Volumes"][0]["State"] == "available"


@pytest.mark.boot
@pytest.mark.lab
def test_a_guest_that_ends_stops_its_instance(
    booting: LabInfo, cloud: EC2Client, wait_for: Callable[..., None]
) -> None:
    instance_id = run_shell(cloud, booting)
    stop(cloud, instance_id)
    # mov dx,604h; mov ax,2000h; out dx,ax: QEMU's q35 power-off, as a guest's ACPI does it (FADT's PM1a_CNT).
    off = b"\xfa\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
    swap_root(cloud, booting, instance_id, off)
    cloud.start_instances(InstanceIds=[instance_id])
    wait_for(lambda: describe(cloud, instance_id)["State"]["Name"], "stopped", 30)
    assert describe(cloud, instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


@pytest.mark.boot
@pytest.mark.lab
def test_uefi_image_boots_with_uefi(booting: LabInfo, cloud: EC2Client, wait_for: Callable[..., None]) -> None:
    instance_id = run_shell(cloud, booting, "linux-uefi")
    assert describe(cloud, instance_id)["CurrentInstanceBootMode"] == "uefi"
    stop(cloud, instance_id)
    swap_root(cloud, booting, instance_id, boot_sector(b"HOTADD"))
    cloud.start_instances(InstanceIds=[instance_id])
    # OVMF names what it would boot; SeaBIOS would have run the boot sector.
    wait_for(lambda: "BdsDxe" in cloud.get_console_output(InstanceId=instance_id)["Output"], True, 60)
    assert "HOTADD" not in cloud.get_console_output(InstanceId=instance_id)["Output"]
    cloud.terminate_instances(InstanceIds=[instance_id])


@pytest.mark.boot
@pytest.mark.lab
def test_guests_end_with_the_lab(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    lab = account.up(tmp_path)
    try:
        ec2 = client(lab)
        instance_id = run_shell(ec2, lab)
        stop(ec2, instance_id)
        swap_root(ec2, lab, instance_id, boot_sector(b"HOTADD"))
        ec2.start_instances(InstanceIds=[instance_id])
        ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
        wait_for(lambda: _runs(instance_id), True)  # the leash starts QEMU a moment later
    finally:
        account.down(tmp_path)
    wait_for(lambda: _runs(instance_id), False, 5)
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


def _runs(word: str) -> bool:
    """Whether any QEMU has this word in its command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if arguments[0].endswith(b"qemu-system-x86_64") and word.encode() in arguments:
            return True
    return False


@pytest.mark.lab
def test_termination_keeps_data_and_deletes_the_root(ec2: EC2Client, lab: LabInfo) -> None:
    instance_id = run_shell(ec2, lab)
    (root,) = [m["Ebs"] for m in describe(ec2, instance_id)["BlockDeviceMappings"]]
    assert root["DeleteOnTermination"] is True
    data = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    ec2.attach_volume(VolumeId=data, InstanceId=instance_id, Device="/dev/sdf")
    link = lab.layout.by_id(instance_id) / f"nvme-Amazon_Elastic_Block_Store_{data.replace('-', '')}"
    assert link.resolve() == lab.layout.volume(data).resolve()
    ec2.terminate_instances(InstanceIds=[instance_id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
    assert ec2.describe_volumes(VolumeIds=[data])["Volumes"][0]["State"] == "available"
    assert not ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [root["VolumeId"]]}])["Volumes"]
    assert not lab.layout.volume(root["VolumeId"]).exists()
    assert not link.is_symlink()


@pytest.mark.lab
def test_states_pass_through_their_transitions(slow: LabInfo) -> None:
    ec2, lab = client(slow), slow
    asked: dict[str, Any] = {"ImageId": lab.amis["linux"], "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
    instance_id = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    seen = [describe(ec2, instance_id)["State"]["Name"]]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
    ec2.stop_instances(InstanceIds=[instance_id])
    seen.append(describe(ec2, instance_id)["State"]["Name"])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
    seen.append(describe(ec2, instance_id)["State"]["Name"])
    ec2.start_instances(InstanceIds=[instance_id])
    seen.append(describe(ec2, instance_id)["State"]["Name"])
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
    ec2.terminate_instances(InstanceIds=[instance_id])
    seen.append(describe(ec2, instance_id)["State"]["Name"])
    assert seen == ["pending", "stopping", "stopped", "pending", "shutting-down"]


@pytest.mark.lab
def test_one_token_runs_one_instance(ec2: EC2Client, lab: LabInfo) -> None:
    first = run_shell(ec2, lab, ClientToken="one-instance")
    assert run_shell(ec2, lab, ClientToken="one-instance") == first


@pytest.mark.lab
def test_mapping_of_the_request_overlays_the_images(ec2: EC2Client, lab: LabInfo) -> None:
    mapping: list[Any] = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 12, "Encrypted": True, "Throughput": 250}}]
    instance_id = run_shell(ec2, lab, BlockDeviceMappings=mapping)
    (root,) = describe(ec2, instance_id)["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[root["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"], volume["Throughput"]) == (12, "gp3", True, 250)
    assert volume["SnapshotId"] == lab.amis["linux"].replace("ami", "snap")
    assert root["Ebs"]["DeleteOnTermination"] is True
    assert lab.layout.volume(volume["VolumeId"]).stat().st_size == 12 << 30


# BootMode and UsageOperation as EC2 gives them for such images; None: legacy BIOS on Intel.
@pytest.mark.lab
@pytest.mark.parametrize(
    ("image", "instance_type", "boot_mode", "effective", "usage"),
    [
        ("linux", "m5.large", None, "legacy-bios", "RunInstances"),
        ("linux-uefi", "m5.large", "uefi", "uefi", "RunInstances"),
        ("linux-uefi-preferred", "m5.large", "uefi-preferred", "uefi", "RunInstances"),
        ("linux-uefi-preferred", "t2.micro", "uefi-preferred", "legacy-bios", "RunInstances"),
        ("windows", "m5.large", None, "legacy-bios", "RunInstances:0002"),
        ("rhel", "m5.large", "uefi-preferred", "uefi", "RunInstances:0010"),
    ],
)
def test_boot_mode_and_licence(
    image: str,
    instance_type: str,
    boot_mode: str | None,
    effective: str,
    usage: str,
    ec2: EC2Client,
    lab: LabInfo,
) -> None:
    (described,) = ec2.describe_images(ImageIds=[lab.amis[image]])["Images"]
    assert (described.get("BootMode"), described["UsageOperation"]) == (boot_mode, usage)
    instance = describe(ec2, run_shell(ec2, lab, image, InstanceType=instance_type))
    assert (instance.get("BootMode"), instance["CurrentInstanceBootMode"]) == (boot_mode, effective)
    assert instance["UsageOperation"] == usage
    assert instance.get("Platform") == ("windows" if image == "windows" else None)


@pytest.mark.lab
def test_images_to_refuse_show_why(ec2: EC2Client, lab: LabInfo) -> None:
    images = {i["ImageId"]: i for i in ec2.describe_images(Owners=["amazon"])["Images"]}
    assert images[lab.amis["marketplace"]]["ProductCodes"][0]["ProductCodeType"] == "marketplace"
    assert images[lab.amis["arm64"]]["Architecture"] == "arm64"
    assert images[lab.amis["tpm"]]["TpmSupport"] == "v2.0"
    assert images[lab.amis["no-ena"]]["EnaSupport"] is False
    shell = images[lab.amis["linux"]]
    assert (shell["EnaSupport"], shell["Architecture"], shell["RootDeviceName"]) == (True, "x86_64", "/dev/xvda")
    assert not shell.get("ProductCodes") and "TpmSupport" not in shell


@pytest.mark.lab
def test_the_access_node_is_there_and_never_boots(ec2: EC2Client, lab: LabInfo) -> None:
    node = describe(ec2, lab.access_node_id)
    assert {"Key": "Name", "Value": "access-node"} in node["Tags"]
    assert node["Placement"]["AvailabilityZone"] == lab.availability_zone
    assert node["State"]["Name"] == "running"
    assert not [event for event in device_events(lab, lab.access_node_id) if event["event"] == "boot"]
