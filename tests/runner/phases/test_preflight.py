"""Bad input: each ends in preflight with a class and an exit code of its own, before anything is created."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from runner.aws.account import Account, CredentialsExpired, CredentialsUnknown, NoCredentials, Unreachable
from runner.aws.instances import find_type
from runner.blocks.errors import SourceEmpty, SourceMissing, SourceUnusable
from runner.guest.refusals import HypervisorUnfit
from runner.home import Home
from runner.journal import Journal
from runner.lab.record import LabInfo
from runner.manifests import Manifests
from runner.phases.job import Job
from runner.phases.preflight import DiskTooLarge, NodeUnfit, SubnetElsewhere, TypeUnknown, VolumeTaken, preflight
from runner.phases.recovery import StateLacks
from runner.phases.shell import ShellArchitecture, ShellBootMode, ShellMissing, ShellPlatform, ShellRestricted
from runner.terraform.project import PlanFile, Variables
from schemas.errors import HotaddError
from schemas.naming import tags
from schemas.outputs import Outputs
from schemas.slots import TooManyDisks
from schemas.spec import AccessNode, Backend, Destination, Disk, LocalBackend, Source, Spec
from tests.lab_log import read_log
from tests.runner.guest import small_guest

pytestmark = [pytest.mark.lab, pytest.mark.process]

Change = Callable[[Spec, LabInfo, Path], Spec]


@dataclass(frozen=True)
class Untouched:
    """The project of a stack whose state is what a test says, and which nobody may plan or apply."""

    node_id: str
    state: Outputs | None = None

    def init(self) -> None:
        """Nothing to prepare."""

    def outputs(self) -> Outputs | None:
        return self.state

    def resources(self) -> dict[str, str]:
        if self.state is None:
            return {}
        return {f"aws_ebs_volume.disk_{disk}": volume for disk, volume in self.state.volumes.items()}

    def tainted(self) -> frozenset[str]:
        return frozenset()

    def untaint(self, address: str) -> None:
        raise AssertionError("preflight changes no state")

    def access_node_id(self) -> str:
        return self.node_id

    def plan(self, name: str, variables: Variables, *, refresh: bool, destroy: bool = False) -> PlanFile:
        raise AssertionError("preflight plans nothing")

    def apply(self, plan: PlanFile) -> None:
        raise AssertionError("preflight applies nothing")

    def settle(self, variables: Variables) -> None:
        raise AssertionError("preflight applies nothing")

    def adopt(self, address: str, resource_id: str, variables: Variables) -> None:
        raise AssertionError("preflight imports nothing")

    def unlock(self, lock_id: str) -> None:
        raise AssertionError("preflight unlocks nothing")


def good_spec(lab: LabInfo, directory: Path) -> Spec:
    disk = directory / "root.raw"
    disk.write_bytes(b"boot" * 1024)
    return Spec(
        version=1,
        name="web01",
        region=lab.region,
        availability_zone=lab.availability_zone,
        source=Source((Disk("root", str(disk), 1, boot=True),)),
        access_node=AccessNode(instance_id=lab.access_node_id),
        destination=Destination("m5.large", lab.amis["linux"], lab.subnet_id),
        backend=Backend(local=LocalBackend(str(directory / "state"))),
    )


def job_of(spec: Spec, directory: Path, project: Untouched) -> Job:
    home = Home(spec.name, directory / "home")
    return Job(
        spec=spec,
        spec_file=directory / "spec.yaml",
        home=home,
        generation=1,
        account=Account(spec.region),
        journal=Journal(spec.name, home.events, lambda event: None),
        manifests=Manifests(home.manifests),
        project=lambda: project,
        stop=lambda: False,
        start_seconds=1,
    )


def run_preflight(spec: Spec, directory: Path, state: Outputs | None = None) -> None:
    preflight(job_of(spec, directory, Untouched(spec.access_node.instance_id or "", state)))


def effects(lab: LabInfo) -> list[str]:
    actions = [call["action"] for call in read_log(lab.layout.api_log)]
    return [a for a in actions if not a.startswith(("Describe", "Get", "List", "Head"))]


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert answer.status == 201


def with_disks(spec: Spec, *disks: Disk) -> Spec:
    return dataclasses.replace(spec, source=dataclasses.replace(spec.source, disks=disks))


def with_destination(spec: Spec, **changes: str) -> Spec:
    return dataclasses.replace(spec, destination=dataclasses.replace(spec.destination, **changes))


def shell(name: str) -> Change:
    return lambda spec, lab, _: with_destination(spec, shell_ami=lab.amis[name])


def many_disks(count: int) -> Change:
    def change(spec: Spec, lab: LabInfo, directory: Path) -> Spec:
        first = spec.source.disks[0]
        more = [dataclasses.replace(first, id=f"disk{at}", boot=False) for at in range(count - 1)]
        return with_disks(spec, first, *more)

    return change


def file_of(directory: Path, size: int) -> str:
    path = directory / "other.raw"
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def elsewhere(spec: Spec, lab: LabInfo) -> str:
    """Another zone than the spec's, of which the lab has a subnet."""
    return next(zone for zone in lab.subnets if zone != spec.availability_zone)


CASES: list[tuple[str, Change, type[HotaddError], str]] = [
    (
        "missing disk",
        lambda s, lab, d: with_disks(s, Disk("root", str(d / "gone"), 1, boot=True)),
        SourceMissing,
        "gone",
    ),
    (
        "empty disk",
        lambda s, lab, d: with_disks(s, Disk("root", file_of(d, 0), 1, boot=True)),
        SourceEmpty,
        "other.raw",
    ),
    ("a directory", lambda s, lab, d: with_disks(s, Disk("root", str(d), 1, boot=True)), SourceUnusable, ""),
    (
        "larger than its volume",
        lambda s, lab, d: with_disks(s, Disk("root", file_of(d, (1 << 30) + 1), 1, boot=True)),
        DiskTooLarge,
        "1073741825 bytes",
    ),
    ("more disks than the node's type takes", many_disks(29), TooManyDisks, "29 disks"),
    (
        "a node that does not exist",
        lambda s, lab, d: dataclasses.replace(s, access_node=AccessNode(instance_id="i-0123456789abcdef0")),
        NodeUnfit,
        "does not exist",
    ),
    (
        "a node in another zone",
        lambda s, lab, d: with_destination(
            dataclasses.replace(s, availability_zone=elsewhere(s, lab)), subnet_id=lab.subnets[elsewhere(s, lab)]
        ),
        NodeUnfit,
        "is in",
    ),
    (
        "a subnet in another zone",
        lambda s, lab, d: with_destination(s, subnet_id=lab.subnets[elsewhere(s, lab)]),
        SubnetElsewhere,
        "the volumes are in",
    ),
    ("a subnet that is not", lambda s, lab, d: with_destination(s, subnet_id="subnet-0123"), SubnetElsewhere, "exist"),
    ("no such type", lambda s, lab, d: with_destination(s, instance_type="m5.gigantic"), TypeUnknown, "m5.gigantic"),
    ("no such shell", lambda s, lab, d: with_destination(s, shell_ami="ami-0123"), ShellMissing, "does not exist"),
    ("a Windows shell", shell("windows"), ShellPlatform, "is for windows"),
    ("a shell of another architecture", shell("arm64"), ShellArchitecture, "arm64"),
    ("a shell of another boot mode", shell("linux-uefi"), ShellBootMode, "UEFI"),
    ("a shell that prefers UEFI where the type can", shell("linux-uefi-preferred"), ShellBootMode, "UEFI"),
    ("a Marketplace shell", shell("marketplace"), ShellRestricted, "Marketplace"),
    ("a shell without ENA", shell("no-ena"), ShellRestricted, "ENA"),
]


@pytest.mark.parametrize(("change", "kind", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_bad_input_ends_before_anything_is_created(
    in_lab: LabInfo, tmp_path: Path, change: Change, kind: type[HotaddError], said: str
) -> None:
    before = effects(in_lab)
    with pytest.raises(kind) as refused:
        run_preflight(change(good_spec(in_lab, tmp_path), in_lab, tmp_path), tmp_path)
    assert type(refused.value) is kind
    assert refused.value.exit_code == 3
    assert said in refused.value.sentence
    assert refused.value.hint
    assert effects(in_lab) == before


def test_a_disk_larger_than_ebs_allows(in_lab: LabInfo, tmp_path: Path) -> None:
    """64 TiB is EBS's largest volume. The file is sparse, on tmpfs: ext4 takes no file of that size."""
    before = effects(in_lab)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        disk = Disk("root", file_of(Path(memory), (64 << 40) + 512), 65536, boot=True)
        with pytest.raises(DiskTooLarge, match=str((64 << 40) + 512)):
            run_preflight(with_disks(good_spec(in_lab, tmp_path), disk), tmp_path)
    assert effects(in_lab) == before


def test_no_credentials(in_lab: LabInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(NoCredentials) as refused:
        run_preflight(good_spec(in_lab, tmp_path), tmp_path)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(
    ("code", "kind"), [("ExpiredToken", CredentialsExpired), ("InvalidClientTokenId", CredentialsUnknown)]
)
def test_tokens_that_do_not_hold(in_lab: LabInfo, tmp_path: Path, code: str, kind: type[HotaddError]) -> None:
    fault = {"service": "sts", "action": "GetCallerIdentity", "error_code": code, "http_status": 403, "times": 1}
    request = json.dumps(fault).encode()
    post(f"{in_lab.endpoint}/hotadd-lab/faults", request)
    before = effects(in_lab)
    with pytest.raises(kind) as refused:
        run_preflight(good_spec(in_lab, tmp_path), tmp_path)
    assert refused.value.exit_code == 3
    assert effects(in_lab) == before


def test_an_endpoint_that_does_not_answer(in_lab: LabInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with pytest.raises(Unreachable, match="127.0.0.1:9"):
        run_preflight(good_spec(in_lab, tmp_path), tmp_path)


@dataclass(frozen=True)
class Made:
    """A volume made outside, as somebody would."""

    id: str
    state: Outputs


@pytest.fixture
def made(in_lab: LabInfo) -> Made:
    ec2 = boto3.client("ec2", region_name=in_lab.region)
    named = [{"Key": key, "Value": value} for key, value in tags("web01", "volume", disk="root").items()]
    volume = ec2.create_volume(
        AvailabilityZone=in_lab.availability_zone,
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": named}],
    )["VolumeId"]
    slots = {"root": "xvdf"}
    state = Outputs(
        1, "web01", "detached", False, slots, "/dev/xvda", {"root": "/dev/xvda"}, {"root": volume}, {"root": 1}, ""
    )
    return Made(volume, state)


def test_a_volume_that_someone_else_attached(in_lab: LabInfo, tmp_path: Path, made: Made) -> None:
    ec2 = boto3.client("ec2", region_name=in_lab.region)
    other = ec2.run_instances(
        ImageId=in_lab.amis["linux"], InstanceType="m5.large", SubnetId=in_lab.subnet_id, MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[other], WaiterConfig={"Delay": 1})
    ec2.attach_volume(VolumeId=made.id, InstanceId=other, Device="xvdf")
    with pytest.raises(VolumeTaken) as refused:
        run_preflight(good_spec(in_lab, tmp_path), tmp_path, made.state)
    assert (refused.value.volume_id, refused.value.instance_id) == (made.id, other)
    assert refused.value.exit_code == 3
    ec2.detach_volume(VolumeId=made.id, InstanceId=other)
    ec2.get_waiter("volume_available").wait(VolumeIds=[made.id], WaiterConfig={"Delay": 1})
    ec2.delete_volume(VolumeId=made.id)


def test_a_volume_of_ours_that_the_state_lacks(in_lab: LabInfo, tmp_path: Path, made: Made) -> None:
    with pytest.raises(StateLacks) as refused:
        run_preflight(good_spec(in_lab, tmp_path), tmp_path)
    assert refused.value.ids == (made.id,)
    boto3.client("ec2", region_name=in_lab.region).delete_volume(VolumeId=made.id)


def test_what_each_type_runs_on(in_lab: LabInfo) -> None:
    """DescribeInstanceTypes: Hypervisor is xen or nitro, and none for bare metal, which is attached as on Nitro."""
    account = Account(in_lab.region)
    found = {name: find_type(account, name) for name in ("t2.micro", "m5.large", "m5.metal")}
    told = {name: limits.hypervisor for name, limits in found.items() if limits is not None}
    assert told == {"t2.micro": "xen", "m5.large": "nitro", "m5.metal": "nitro"}


@pytest.mark.guestfs
@pytest.mark.slow
def test_a_guest_without_drivers_for_the_destinations_hypervisor(in_lab: LabInfo, tmp_path: Path) -> None:
    root, data = small_guest.build(tmp_path / "guest")  # its kernel has nvme and ena, and nothing for Xen
    spec = with_disks(good_spec(in_lab, tmp_path), Disk("root", str(root), 1, boot=True), Disk("data", str(data), 1))
    before = effects(in_lab)
    with pytest.raises(HypervisorUnfit, match="xen_blkfront and no xen_netfront"):
        run_preflight(with_destination(spec, instance_type="t2.micro"), tmp_path)
    assert effects(in_lab) == before
    run_preflight(spec, tmp_path)
