"""cloud-init: on EC2 it must not make another machine of the replica. Pure.

To cloud-init an instance with a new id is a new machine: it names it, makes its host keys and its default user, says
who may log in by password (RHEL's own cloud.cfg: nobody), sets the locale, mounts instance storage, grows its root,
writes its network ("Module reference" of its documentation). Each of these would be a change that every incremental
takes back.
"""

from __future__ import annotations

from runner.guest.edits import Write
from runner.guest.facts import CloudInit, GuestFacts

# Files of this directory are read in the order of their names and the last one counts. Installers use names such as
# 99-installer.cfg and subiquity-disable-cloudinit-networking.cfg.
DIRECTORY = "/etc/cloud/cloud.cfg.d"
OURS = f"{DIRECTORY}/zz-hotadd.cfg"
_MAIN = "/etc/cloud/cloud.cfg"
_DISABLED = "/etc/cloud/cloud-init.disabled"
_PROGRAMS = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init")
WANTED = """\
# Written by hotadd: this machine is a replica and stays what it was.
datasource_list: [Ec2, None]
preserve_hostname: true
manage_etc_hosts: false
ssh_deletekeys: false
ssh_pwauth: unchanged
users: []
locale: false
mounts:
  - [ephemeral0, null]
  - [swap, null]
growpart:
  mode: "off"
resize_rootfs: false
apt:
  preserve_sources_list: true
network:
  config: disabled
"""

FILES = (OURS,)
PATHS = (_MAIN, _DISABLED, *_PROGRAMS)


def decide(facts: GuestFacts, policy: CloudInit) -> list[Write]:
    """One file that overrides the others, where cloud-init runs. None when the spec says `cloud_init: keep`."""
    runs = _MAIN in facts.paths and _DISABLED not in facts.paths and set(_PROGRAMS) & set(facts.paths)
    if policy == "keep" or not runs or facts.text(OURS) == WANTED:
        return []
    why = "cloud-init takes its data from EC2 and leaves host name, host keys, users, disks and network alone"
    return [Write(OURS, WANTED, why)]
