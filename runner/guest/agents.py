"""What runs in a guest for its host or its cloud: looked for by the files that its packages have. Pure."""

from __future__ import annotations

from runner.guest.facts import GuestFacts

_PROGRAMS = {
    "cloud-init": ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init"),
    "VMware Tools": ("/usr/bin/vmtoolsd", "/usr/sbin/vmware-guestd", "/etc/vmware-tools/services.sh"),
    "SSM agent": (
        "/usr/bin/amazon-ssm-agent",
        "/snap/amazon-ssm-agent/current/amazon-ssm-agent",
        "/etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service",
    ),
    "CloudWatch agent": ("/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent",),
    "QEMU guest agent": ("/usr/bin/qemu-ga", "/usr/sbin/qemu-ga"),
    "Azure agent": ("/usr/sbin/waagent",),
    "Hyper-V daemons": ("/usr/sbin/hv_kvp_daemon", "/usr/sbin/hypervkvpd"),
    "Google guest agent": ("/usr/bin/google_guest_agent",),
}
PATHS = tuple(path for paths in _PROGRAMS.values() for path in paths)


def told(facts: GuestFacts) -> tuple[str, ...]:
    """The agents that are installed, by name."""
    tools = ("VMware Tools",) if facts.registry and facts.registry.tools else ()
    return (*tools, *(name for name, paths in _PROGRAMS.items() if set(paths) & set(facts.paths)))
