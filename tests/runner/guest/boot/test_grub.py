"""Kernel command lines and GRUB's two files."""

from __future__ import annotations

import pytest

from runner.guest.boot import grub_defaults, kernel_line, nvme, table
from runner.guest.edits import Note
from runner.guest.facts import FileSystem, Kernel, Options
from runner.guest.refusals import BootLoaderUnknown, DeviceUnmatched, StaticNetwork

DHCP = Options("dhcp")
ROOT = "root=UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e01"
SWAP = "resume=UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e03"
OURS = "console=tty0 console=ttyS0,115200n8 net.ifnames=0 nvme_core.io_timeout=4294967295"

COMMAND_LINES = [
    ("root=/dev/sda1 ro  quiet", f"{ROOT} ro quiet {OURS}"),
    (f"{ROOT} ro quiet", f"{ROOT} ro quiet {OURS}"),
    ("root=/dev/mapper/vg--one-lv ro", f"root=/dev/mapper/vg--one-lv ro {OURS}"),
    ("root=/dev/sda1 ro resume=/dev/sda5", f"{ROOT} ro {SWAP} {OURS}"),
    ("root=/dev/sda1 ro resume=/dev/sdc5", f"{ROOT} ro {OURS}"),
    ("root=/dev/sda1 ro console=ttyS0,9600 console=tty0 single", f"{ROOT} ro single {OURS}"),
    ("root=/dev/sda1 net.ifnames=1 biosdevname=1 nvme_core.io_timeout=30", f"{ROOT} {OURS}"),
    # biosdevname(1): without it, or with 1, Dell's machines have other names than eth0; 0 says what net.ifnames=0 does.
    (f"{ROOT} biosdevname=0 quiet", f"{ROOT} biosdevname=0 quiet {OURS}"),
    (f"{ROOT} ip=10.0.0.5::10.0.0.1:255.255.255.0:web:ens192:none ifname=ens192:00:50:56:9a:3c:11", f"{ROOT} {OURS}"),
    (f"{ROOT} ip=ens192:dhcp ip=[2001:db8::5]::[2001:db8::1]:64::ens192:off ip=dhcp", f"{ROOT} ip=dhcp {OURS}"),
    (f"{ROOT} nvme.io_timeout=255", f"{ROOT} {OURS}"),
    (f"{ROOT} rd.md.uuid=A5C3B8F0:11112222:33334444:55556666", f"{ROOT} {OURS}"),
    (f"{ROOT} ro {OURS} quiet", f"{ROOT} ro {OURS} quiet"),
]

# EC2 User Guide, "NVMe I/O operation timeout". RHEL 7's 3.10 has nvme-core.ko since 7.3, a backport; Ubuntu's 4.4
# has nvme.ko alone.
BACKPORTED, ALONE = ("nvme", "nvme_core"), ("nvme",)
NO_MODULES: tuple[str, ...] = ()
TIMEOUTS: list[tuple[dict[str, tuple[str, ...]], tuple[str, ...]]] = [
    ({"6.1.0-50-amd64": BACKPORTED}, ("nvme_core.io_timeout=4294967295",)),
    ({"4.15.0-20-generic": NO_MODULES}, ("nvme_core.io_timeout=4294967295",)),
    ({"4.9.0-19-amd64": NO_MODULES}, ("nvme_core.io_timeout=255",)),
    ({"4.4.0-210-generic": ALONE}, ("nvme.io_timeout=255",)),
    ({"4.4.0-210-generic": NO_MODULES}, ("nvme.io_timeout=255",)),
    ({"3.10.0-1160.el7.x86_64": BACKPORTED}, ("nvme_core.io_timeout=255",)),
    ({"6.1.0-50-amd64": BACKPORTED, "4.9.0-19-amd64": BACKPORTED}, ("nvme_core.io_timeout=255",)),
    (
        {"5.4.278-1.el7.elrepo.x86_64": BACKPORTED, "3.10.0-327.el7.x86_64": ALONE},
        ("nvme.io_timeout=255", "nvme_core.io_timeout=4294967295"),
    ),
    ({}, ("nvme_core.io_timeout=4294967295",)),
]

DEFAULTS = [
    ('GRUB_CMDLINE_LINUX=""\n', f'GRUB_CMDLINE_LINUX="{OURS}"\n'),
    (
        "GRUB_CMDLINE_LINUX_DEFAULT='quiet console=tty1'\nGRUB_CMDLINE_LINUX=\"elevator=noop\"\n",
        f'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="elevator=noop {OURS}"\n',
    ),
    (
        'GRUB_DISABLE_LINUX_UUID=true\nGRUB_CMDLINE_LINUX="root=/dev/sda1"\n',
        f'#GRUB_DISABLE_LINUX_UUID=true\nGRUB_CMDLINE_LINUX="{OURS}"\n',
    ),
    ("#GRUB_DISABLE_LINUX_UUID=true\n", f'#GRUB_DISABLE_LINUX_UUID=true\nGRUB_CMDLINE_LINUX="{OURS}"\n'),
]


# POSIX, "Shell Command Language": what a shell makes of a value that is more than one plain word stays its business,
# and what follows sets the rest.
ADDED = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {OURS}"\n'
LEFT_TO_THE_SHELL = [
    'GRUB_CMDLINE_LINUX="crashkernel=auto \\\n  rhgb quiet"\n',
    'GRUB_CMDLINE_LINUX="\nquiet\n"\n',
    'GRUB_CMDLINE_LINUX="dyndbg=\\"file a.c +p\\" quiet"\n',
    "GRUB_CMDLINE_LINUX='audit=1 foo=$bar'\n",
    'GRUB_CMDLINE_LINUX="quiet $(cat /etc/x)"\n',
    'GRUB_CMDLINE_LINUX="quiet `cat /etc/x`"\n',
    'GRUB_CMDLINE_LINUX="quiet";GRUB_TIMEOUT=5\n',
    "GRUB_CMDLINE_LINUX=quiet\\ splash\n",
    '  GRUB_CMDLINE_LINUX="quiet"\n',
    'export GRUB_CMDLINE_LINUX="quiet"\n',
    'GRUB_CMDLINE_LINUX+=" audit=1"\n',
    'GRUB_CMDLINE_LINUX="$OTHER quiet"\n',
    'GRUB_CMDLINE_LINUX="quiet"\nGRUB_CMDLINE_LINUX="$(cat /etc/x)"\n'.replace("quiet", f"quiet {OURS}"),
]
PLAIN = [
    ("GRUB_TERMINAL=console", f'GRUB_TERMINAL=console\nGRUB_CMDLINE_LINUX="{OURS}"\n'),
    ('GRUB_CMDLINE_LINUX="quiet"', f'GRUB_CMDLINE_LINUX="quiet {OURS}"'),
    ("GRUB_CMDLINE_LINUX=quiet # ours\n", f'GRUB_CMDLINE_LINUX="quiet {OURS}" # ours\n'),
    ("GRUB_CMDLINE_LINUX=\n", f'GRUB_CMDLINE_LINUX="{OURS}"\n'),
    ("GRUB_CMDLINE_LINUX=\"a='b c' x;y\"\n", f"GRUB_CMDLINE_LINUX=\"a='b c' x;y {OURS}\"\n"),
    (
        f'GRUB_CMDLINE_LINUX="a {OURS}"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=tty1 b"\n',
        f'GRUB_CMDLINE_LINUX="a {OURS}"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b"\n',
    ),
]


@pytest.mark.parametrize(("before", "after"), [*((left, left + ADDED) for left in LEFT_TO_THE_SHELL), *PLAIN])
def test_only_plain_words_of_the_defaults_are_rewritten(before, after, make_facts):
    def changed(text):
        steps = table.decide(make_facts({grub_defaults.DEFAULTS: text}), DHCP)
        return next((step.text for step in steps if step.path == grub_defaults.DEFAULTS), text)

    assert changed(before) == after
    assert changed(after) == after


def test_where_suse_installs_grub_is_told(make_facts):
    # update-bootloader reads /etc/default/grub_installdevice: devices, and words such as "activate" and "generic_mbr"
    path = "/etc/default/grub_installdevice"
    name = "/dev/disk/by-id/scsi-36000c29f0e1d2c3b4a5968778695a4b3"
    steps = table.decide(make_facts({path: f"{name}\nactivate\ngeneric_mbr\n"}), DHCP)
    (note,) = [step for step in steps if step.path == path]
    assert isinstance(note, Note) and name in note.why


@pytest.mark.parametrize(("before", "after"), COMMAND_LINES)
def test_command_lines(before, after, make_facts):
    assert " ".join(kernel_line.on_ec2(before.split(), make_facts(), root=True)) == " ".join(after.split())


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("ip=10.0.0.5::10.0.0.1:255.255.255.0:web:ens192:none", "10.0.0.5"),
        ("ip=[2001:db8::5]::[2001:db8::1]:64::ens192:off", "[2001:db8::5]"),
        ("ip=10.0.0.5::10.0.0.1", "10.0.0.5"),
        ("ip=10.0.0.5", "10.0.0.5"),
    ],
)
def test_an_address_fixed_on_the_command_line_is_refused_where_it_must_stay(word, address, make_facts):
    text = f"# one\n\tlinux /vmlinuz root=/dev/sda1 {word}\n"
    with pytest.raises(StaticNetwork) as refusal:
        table.decide(make_facts({"/boot/grub/grub.cfg": text}), Options("keep"))
    assert (refusal.value.line, refusal.value.address) == (2, address)
    assert word not in table.decide(make_facts({"/boot/grub/grub.cfg": text}), DHCP)[0].text
    dynamic = text.replace(word, "ip=ens192:dhcp")
    assert table.decide(make_facts({"/boot/grub/grub.cfg": dynamic}), Options("keep"))


def test_an_array_that_is_there_is_waited_for(make_facts):
    # blkid writes an array's UUID with dashes, mdadm and dracut.cmdline(7) with colons.
    member = FileSystem("/dev/sdb2", "linux_raid_member", "a5c3b8f0-1111-2222-3333-444455556666", "", "", 1, 2)
    facts = make_facts(file_systems=(*make_facts().file_systems, member))
    word = "rd.md.uuid=a5c3b8f0:11112222:33334444:55556666"
    assert word in kernel_line.on_ec2([ROOT, word], facts, root=True)
    lost = word.replace("a5c3", "a5c4")
    assert lost not in kernel_line.on_ec2([ROOT, lost], facts, root=True)


LUKS = "0f1e2d3c-1111-2222-3333-444455556666"


@pytest.mark.parametrize(
    ("there", "lost"),
    [
        ("rd.lvm.vg=rhel", "rd.lvm.vg=gone"),
        ("rd_LVM_VG=rhel", "rd_LVM_VG=gone"),
        (f"rd.luks.uuid=luks-{LUKS}", f"rd.luks.uuid=luks-1{LUKS[1:]}"),
        # "The comparisons also matches, if <luks uuid> is only the beginning of the LUKS UUID"
        ("rd.luks.uuid=0f1e", "rd.luks.uuid=0f1f"),
        (f"rd.luks.uuid=keysource:{LUKS}", f"rd.luks.uuid=keysource:1{LUKS[1:]}"),
        (f"rd.luks.name={LUKS}=home", f"rd.luks.name=1{LUKS[1:]}=home"),
    ],
)
def test_dracut_waits_for_nothing_that_is_not_there(there, lost, make_facts):
    home = FileSystem("/dev/sdb2", "crypto_LUKS", LUKS, "", "", 1, 2)
    facts = make_facts(file_systems=(*make_facts().file_systems, home), groups=("rhel",))
    line = kernel_line.on_ec2([ROOT, there, lost], facts, root=True)
    assert [word for word in line if word.startswith("rd")] == [there]


@pytest.mark.parametrize("builtin", [False, True])
@pytest.mark.parametrize(("kernels", "parameters"), TIMEOUTS)
def test_the_timeouts_fit_the_kernels(kernels, parameters, builtin):
    found = [Kernel(v, () if builtin else m, m if builtin else (), "", (), 0) for v, m in kernels.items()]
    assert nvme.timeouts(found) == parameters


def test_a_longer_timeout_stays_where_it_is_stated(make_facts):
    # Amazon Linux 2's image: its 4.14 takes a timeout of 32 bits.
    kernels = (Kernel("4.14.336-253.554.amzn2.x86_64", ("nvme", "nvme_core"), (), "", (), 0),)
    longest, short = (f"nvme_core.io_timeout={value}" for value in (4294967295, 30))
    for stated, kept in ((longest, longest), (short, "nvme_core.io_timeout=255")):
        line = kernel_line.on_ec2([ROOT, stated], make_facts(kernels=kernels), root=True)
        assert [word for word in line if "io_timeout" in word] == [kept]
    defaults = f'GRUB_CMDLINE_LINUX_DEFAULT="{longest}"\n'
    steps = table.decide(make_facts({grub_defaults.DEFAULTS: defaults}, kernels=kernels), DHCP)
    assert longest in [step.text for step in steps if step.path == grub_defaults.DEFAULTS][0].splitlines()[0]


@pytest.mark.parametrize(("before", "after"), DEFAULTS)
def test_defaults(before, after, make_facts):
    steps = table.decide(make_facts({grub_defaults.DEFAULTS: before}), DHCP)
    assert [step.text for step in steps if step.path == grub_defaults.DEFAULTS] == [after]


def test_only_kernel_lines_of_grub_cfg_change(make_facts):
    before = (
        "search --fs-uuid --set=root 1\n"
        "  linuxefi /vmlinuz root=/dev/sda1 ro\n"
        "linux16\t/vmlinuz root=/dev/sda1\n"
        "echo 'Loading Linux root=/dev/sda1 ...'\n"
    )
    after = (
        "search --fs-uuid --set=root 1\n"
        f"  linuxefi /vmlinuz {ROOT} ro {OURS}\n"
        f"linux16\t/vmlinuz {ROOT} {OURS}\n"
        "echo 'Loading Linux root=/dev/sda1 ...'\n"
    )
    steps = table.decide(make_facts({"/boot/grub/grub.cfg": before}), DHCP)
    assert steps[0].text == after


# GRUB manual, "Shell-like scripting". @ stands for what comes to a command line.
SCRIPT = [
    ("linux /vmlinuz root=/dev/sda1 quiet; initrd /initrd\n", f"linux /vmlinuz {ROOT} quiet @; initrd /initrd\n"),
    ("linux /vmlinuz root=/dev/sda1 a#b # our root\n", f"linux /vmlinuz {ROOT} a#b @ # our root\n"),
    ('menuentry "x" { linux /vmlinuz root=/dev/sda1 }\n', f'menuentry "x" {{ linux /vmlinuz {ROOT} @ }}\n'),
    (
        'menuentry "x" { set root=hd0; linux /vmlinuz root=/dev/sda1; initrd /i }\n',
        f'menuentry "x" {{ set root=hd0; linux /vmlinuz {ROOT} @; initrd /i }}\n',
    ),
    ("linux /vmlinuz ro \\\n  root=/dev/sda1 quiet\ninitrd /i\n", f"linux /vmlinuz ro {ROOT} quiet @\ninitrd /i\n"),
    ("# a path \\\nlinux /vmlinuz root=/dev/sda1\n", f"# a path \\\nlinux /vmlinuz {ROOT} @\n"),
    (
        "linux /vmlinuz root=/dev/sda1 dyndbg=\"file a.c  +p; #\" 'b  c' d\\;e\n",
        f"linux /vmlinuz {ROOT} dyndbg=\"file a.c  +p; #\" 'b  c' d\\;e @\n",
    ),
    ("linux /vmlinuz root=/dev/sda1 ${extra}", f"linux /vmlinuz {ROOT} ${{extra}} @"),
    (
        "echo a; echo 'linux /vmlinuz root=/dev/sda1'\nlinux /vmlinuz\n\\",
        "echo a; echo 'linux /vmlinuz root=/dev/sda1'\nlinux /vmlinuz @\n\\",
    ),
]


@pytest.mark.parametrize(("before", "after"), SCRIPT)
def test_a_command_line_ends_where_grubs_scripts_end_it(before, after, make_facts):
    after = after.replace("@", OURS)
    facts = make_facts({"/boot/grub/custom.cfg": before})
    assert [s.text for s in table.decide(facts, DHCP) if s.path == "/boot/grub/custom.cfg"] == [after]
    facts = make_facts({"/boot/grub/custom.cfg": after})
    assert [s.text for s in table.decide(facts, DHCP) if s.path == "/boot/grub/custom.cfg"] == []


def test_the_line_of_a_refusal_counts_those_that_are_continued(make_facts):
    text = "set a=b \\\n  c=d\nlinux /vmlinuz ro \\\n root=/dev/sdd1\n"
    with pytest.raises(DeviceUnmatched) as refusal:
        table.decide(make_facts({"/boot/grub/grub.cfg": text}), DHCP)
    assert refusal.value.line == 3


def test_comments_of_kernel_install_stay(make_facts):
    text = "# our line\nroot=/dev/sda1 quiet\n"
    steps = table.decide(make_facts({"/etc/kernel/cmdline": text}), DHCP)
    assert [s.text for s in steps if s.path == "/etc/kernel/cmdline"] == [f"# our line\n{ROOT} quiet {OURS}\n"]


def test_device_map_goes_aside_when_it_names_disks_by_their_controller(make_facts):
    steps = table.decide(make_facts({"/boot/grub/device.map": "(hd0)\t/dev/sda\n"}), DHCP)
    assert [step.path for step in steps if not hasattr(step, "text")] == ["/boot/grub/device.map"]


def test_no_grub_is_refused(make_facts):
    with pytest.raises(BootLoaderUnknown):
        table.decide(make_facts({"/boot/grub/grub.cfg": None}), DHCP)


GONE = "root=UUID=2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09"
OLD, NEW = "5.10.0-9-amd64", "6.1.0-50-amd64"
GRUB_CFG, BLS, ENVIRONMENT = "/boot/grub/grub.cfg", "/boot/loader/entries/a.conf", "/boot/grub2/grubenv"
KERNELOPTS = {
    GRUB_CFG: 'insmod blscfg\nset kernelopts="{set}"\n',
    BLS: "linux /vmlinuz-6.1.0-50-amd64\noptions $kernelopts\n",
    ENVIRONMENT: "kernelopts={environment}\n".ljust(1024, "#"),
}


def entry(version, words):
    return f"\tlinux /vmlinuz-{version} {words}\n"


def kernelopts(**roots):
    # RHEL 8, "Configuring kernel command-line parameters": GRUB's environment counts, grub.cfg's for an empty one
    files = {path: text.format(**{"set": ROOT, "environment": ROOT, **roots}) for path, text in KERNELOPTS.items()}
    return files if roots.get("environment") != "" else {**files, ENVIRONMENT: "#" * 1024}


LEADS_NOWHERE = {
    "a lost UUID": ({GRUB_CFG: entry(NEW, GONE)}, GONE),
    "a lost label": ({GRUB_CFG: entry(NEW, "root=LABEL=gone")}, "root=LABEL=gone"),
    "a lost volume": ({GRUB_CFG: entry(NEW, "root=/dev/mapper/vg-gone")}, "root=/dev/mapper/vg-gone"),
    "another file system": ({GRUB_CFG: entry(NEW, "root=LABEL=data")}, "root=LABEL=data"),
    "only another kernel's is right": ({GRUB_CFG: entry(OLD, ROOT) + entry(NEW, GONE)}, GONE),
    "the last of two counts": ({GRUB_CFG: entry(NEW, f"{ROOT} {GONE}")}, GONE),
    "no entry names the kernel": ({GRUB_CFG: "linux /vmlinuz root=LABEL=gone\n"}, "root=LABEL=gone"),
    # dracut(8): with fips=1 the kernel's checksum is looked for on boot=
    "FIPS": ({GRUB_CFG: entry(NEW, f"{ROOT} fips=1 boot=UUID=gone")}, "boot=UUID=gone"),
    "kernelopts": (kernelopts(environment=GONE), GONE),
    "kernelopts of grub.cfg": (kernelopts(environment="", set=GONE), GONE),
}
LEADS_HOME = {
    "one of two": {GRUB_CFG: entry(NEW, GONE) + entry(NEW, ROOT)},
    "another kernel's is lost": {GRUB_CFG: entry(OLD, GONE) + entry(NEW, ROOT)},
    "the last of two counts": {GRUB_CFG: entry(NEW, f"{GONE} {ROOT}")},
    "a variable of GRUB": {GRUB_CFG: entry(NEW, "root=UUID=$root_uuid")},
    "no root at all": {GRUB_CFG: entry(NEW, "quiet")},
    "another file's": {GRUB_CFG: entry(NEW, GONE), "/boot/grub2/grub.cfg": entry(NEW, ROOT)},
    "kernelopts": kernelopts(set=GONE),
    "what no loader reads": {GRUB_CFG: entry(NEW, ROOT), "/etc/kernel/cmdline": GONE},
}


@pytest.mark.parametrize("name", LEADS_NOWHERE)
def test_the_default_kernel_finds_its_root_or_the_guest_is_refused(name, make_facts):
    files, lost = LEADS_NOWHERE[name]
    with pytest.raises(DeviceUnmatched) as refusal:
        table.decide(two_kernels(make_facts, files), DHCP)
    assert refusal.value.device == lost


@pytest.mark.parametrize("name", LEADS_HOME)
def test_a_root_that_is_lost_elsewhere_is_nobodys_business(name, make_facts):
    table.decide(two_kernels(make_facts, LEADS_HOME[name]), DHCP)


def two_kernels(make_facts, files):
    return make_facts(files, kernels=tuple(Kernel(v, (), (), "", (), 0, default=v == NEW) for v in (OLD, NEW)))


def test_a_root_that_leads_nowhere_is_refused_with_its_line(make_facts):
    with pytest.raises(DeviceUnmatched) as refusal:
        table.decide(make_facts({"/boot/grub/grub.cfg": "# one\n\tlinux /vmlinuz root=/dev/sdd1 ro\n"}), DHCP)
    assert (refusal.value.file, refusal.value.line) == ("/boot/grub/grub.cfg", 2)
