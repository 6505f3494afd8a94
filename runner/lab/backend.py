"""The lab's EC2, put in the place of moto's."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2 import urls
from moto.ec2.models import ec2_backends, elastic_block_store
from moto.ec2.models import instances as moto_instances

from runner.lab import direct
from runner.lab.amis import register
from runner.lab.fleet import InstanceBackend
from runner.lab.ground import Ground
from runner.lab.images import ACCESS_NODE, IMAGES
from runner.lab.instances import Instance
from runner.lab.record import LabInfo
from runner.lab.responses import LabResponse
from runner.lab.volumes import Snapshot, Volume

REGION = "us-east-1"


class LabBackend(InstanceBackend):
    """One region of the lab's account."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        register(self)

    @property
    def _url_module(self) -> ModuleType:
        return urls


def install(ground: Ground) -> InstanceBackend:
    """Make this process's moto the lab, and return its home region.

    moto names these classes where it makes objects, so they are replaced there.
    """
    LabBackend.ground = ground
    elastic_block_store.Volume = Volume  # type: ignore[misc]
    elastic_block_store.Snapshot = Snapshot  # type: ignore[misc]
    moto_instances.Instance = Instance  # type: ignore[misc]
    ec2_backends.backend = LabBackend
    urls.url_paths["{0}/"] = LabResponse.dispatch
    direct.install()
    backend = ec2_backends[DEFAULT_ACCOUNT_ID][REGION]
    assert isinstance(backend, InstanceBackend)
    return backend


def furnish(backend: InstanceBackend, directory: Path, port: int) -> LabInfo:
    """Give the account what a user would have in one: an access node in the default network."""
    zone = f"{REGION}a"
    amis = {image.name: image.ami_id for image in IMAGES}
    subnets = {zone: subnet.id for zone, subnet in sorted(backend.get_default_subnets().items())}
    group = next(g for g in backend.groups[backend.default_vpc.id].values() if g.name == "default")
    ami = backend.amis[amis[ACCESS_NODE]]
    reservation = backend.run_instances(
        ami.id,
        1,
        None,
        [],
        instance_type="m7i.large",
        is_instance_type_default=False,
        region_name=REGION,
        subnet_id=subnets[zone],
        security_group_ids=[group.id],
        tags={"instance": {"Name": "access-node"}},
        block_device_mappings=ami.block_device_mappings,
    )
    return LabInfo(
        directory=directory,
        pid=os.getpid(),
        port=port,
        region=REGION,
        availability_zone=zone,
        account_id=DEFAULT_ACCOUNT_ID,
        access_node_id=reservation.instances[0].id,
        vpc_id=backend.default_vpc.id,
        subnet_id=subnets[zone],
        security_group_id=group.id,
        amis=amis,
        subnets=subnets,
        boot=backend.ground.settings.boot,
    )
