"""Where the lab keeps what: one directory, all of it removed by `hotadd lab down`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# udev's name for an EBS volume on a Nitro instance, less the dash of the volume id (amazon-ec2-utils, 70-ec2-nvme).
BY_ID_PREFIX = "nvme-Amazon_Elastic_Block_Store_"


@dataclass(frozen=True)
class Layout:
    """The files of a lab below its directory `root` (absolute)."""

    root: Path

    @property
    def record(self) -> Path:
        return self.root / "lab.json"

    @property
    def server_log(self) -> Path:
        return self.root / "server.log"

    @property
    def api_log(self) -> Path:
        return self.root / "log" / "api.jsonl"

    @property
    def device_log(self) -> Path:
        return self.root / "log" / "device.jsonl"

    def volume(self, volume_id: str) -> Path:
        return self.root / "volumes" / f"{volume_id}.raw"

    def snapshot(self, snapshot_id: str) -> Path:
        return self.root / "snapshots" / f"{snapshot_id}.raw"

    def instance(self, instance_id: str) -> Path:
        return self.root / "instances" / instance_id

    def by_id(self, instance_id: str) -> Path:
        return self.instance(instance_id) / "by-id"

    def link(self, instance_id: str, volume_id: str) -> Path:
        """The name under which `instance_id` sees `volume_id`."""
        return self.by_id(instance_id) / f"{BY_ID_PREFIX}{nvme_serial(volume_id)}"

    def console(self, instance_id: str) -> Path:
        return self.instance(instance_id) / "console.log"

    def capture(self, instance_id: str) -> Path:
        return self.instance(instance_id) / "network.pcap"

    def make(self) -> None:
        for name in ("volumes", "snapshots", "instances", "log"):
            (self.root / name).mkdir(parents=True, exist_ok=True)


def nvme_serial(volume_id: str) -> str:
    """The NVMe serial number of an EBS volume: its id without the dash (20 characters, NVMe's limit)."""
    return volume_id.replace("-", "")
