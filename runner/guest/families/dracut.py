"""Red Hat, Oracle, SUSE, Amazon Linux and their like: guests whose initramfs dracut makes. Pure: facts in, edits out.

dracut is always run without hostonly: that mode takes the drivers of the machine it runs on, which is the appliance.
"""

from __future__ import annotations

from runner.guest import linux, luks_at_boot
from runner.guest.boot import table as boot
from runner.guest.edits import Decision, Rebuild, Step, Write
from runner.guest.facts import GuestFacts, Kernel, Options
from runner.guest.families import drivers, room

TOOLS = drivers.DRACUT
# It takes no hostonly option (there the mode is asked for) and no compressor. Options as virt-v2v has given them to it
# for years: --add-drivers, then the image, then the version.
OLD = drivers.OLD_DRACUT
ZSTD = ("/usr/bin/zstd", "/bin/zstd")
CONFIG_DIRECTORY = "/etc/dracut.conf.d"
CONFIG = f"{CONFIG_DIRECTORY}/99-hotadd.conf"
FILES = (CONFIG,)
PATHS = (*TOOLS, OLD, *ZSTD)

_DEBIAN = ("debian", "ubuntu")
_SUSE = ("sles", "sled", "sles_sap", "opensuse-leap", "opensuse-tumbleweed", "suse")
# Measured on an image of 94 MB unpacked: zstd -3 1 s and 28.6 MB; gzip -1 3.3 s and 33.3 MB; gzip -6 8 s and 30.0 MB;
# gzip -9, the default of most releases, 69 s and 29.7 MB. An emulated CPU takes ten times as long.
_BY_ZSTD = "zstd -3 -q -T0"
_BY_GZIP = "gzip -n -1"


def is_family(facts: GuestFacts) -> bool:
    """Whether a guest is of this family."""
    return any(tool in facts.paths for tool in TOOLS)


def decide(facts: GuestFacts, options: Options) -> Decision:
    """What makes the guest boot on EC2; an empty decision when nothing is left to do. Raises what refuses it."""
    luks_at_boot.check(facts, dracut=True)
    steps: list[Step] = [*linux.decide(facts, options), *boot.decide(facts, options)]
    settings = _settings(facts)
    # The settings are for the next kernel: an image that has the drivers boots as it is, and a new one takes minutes.
    stale = linux.changes_initramfs(steps)
    rebuilds = [_rebuild(kernel, facts) for kernel in drivers.due(facts.kernels, stale=stale)]
    return room.plan(facts, [*steps, *settings], rebuilds, room.for_every_machine)


def _settings(facts: GuestFacts) -> list[Write]:
    """What dracut does at the guest's next kernel update: the same."""
    loadable = {name for kernel in facts.kernels for name in kernel.loadable}
    names = " ".join(name for name in drivers.DRIVERS if name in loadable)
    text = (
        "# Written by hotadd: the initramfs must find EC2's disks on every type of instance, not on one machine.\n"
        'hostonly="no"\nhostonly_cmdline="no"\n'
    ) + (f'add_drivers+=" {names} "\n' if names else "")
    if facts.text(CONFIG) == text:
        return []
    return [Write(CONFIG, text, "the initramfs of the guest's next kernel must find EC2's disks too")]


def _rebuild(kernel: Kernel, facts: GuestFacts) -> Rebuild:
    image = kernel.initramfs or _image(kernel.version, facts)
    names = drivers.asked(kernel)
    command = [next(tool for tool in TOOLS if tool in facts.paths), "--force"]
    if OLD not in facts.paths:
        by_zstd = kernel.reads_zstd and any(path in facts.paths for path in ZSTD)
        command += ["--no-hostonly", "--no-hostonly-cmdline"]
        # The guest's programs are stripped already; Red Hat's dracut would strip each again, and list the image for its
        # log, which takes an emulated CPU three minutes.
        command += ["--quiet", "--nostrip", "--compress", _BY_ZSTD if by_zstd else _BY_GZIP]
    if names:
        command += ["--add-drivers", " ".join(names)]
    return Rebuild(
        kernel=kernel.version,
        initramfs=image,
        command=(*command, room.BUILT, kernel.version),
        modules=names,
        unlocks=luks_at_boot.names(facts),
        why="it must find EC2's disks",
        built=room.BUILT,
        keep=kernel.default and bool(kernel.initramfs),
    )


def _image(version: str, facts: GuestFacts) -> str:
    """Where the boot loader's entries look for the initramfs of a kernel that has none yet."""
    if facts.distribution in _DEBIAN:
        return f"/boot/initrd.img-{version}"
    return f"/boot/initrd-{version}" if facts.distribution in _SUSE else f"/boot/initramfs-{version}.img"
