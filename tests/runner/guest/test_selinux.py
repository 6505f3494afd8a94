"""Labels for what is written: the guest's own setfiles, or its relabelling at boot. selinux_config(5), setfiles(8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.guest import reading_list
from runner.guest.edits import Aside, Link, Note, Rebuild, Relabel, Step, Write, record
from runner.guest.facts import Mount, Options
from runner.guest.families import table
from runner.guest.services import selinux
from tests.runner.guest import simulation
from tests.runner.guest.conftest import MakeFacts

CONFIG = "/etc/selinux/config"
ENFORCING = "# SELINUX= can take one of these\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
CONTEXTS = "/etc/selinux/targeted/contexts/files/file_contexts"
TOOL = ("/usr/sbin/setfiles", CONTEXTS)
STEPS: tuple[Step, ...] = (
    Write("/etc/fstab", "", "x", keep=True),
    Aside("/etc/old", "x"),
    Link("/etc/systemd/system/a.service", "/dev/null", "x"),
    Rebuild("6.1", "/boot/initramfs-6.1.img", ("dracut",), (), "x"),
    Note("/etc/nftables.conf", "x"),
    Write("/etc/fstab", "", "twice"),
)
WRITTEN = ("/etc/fstab", "/etc/systemd/system/a.service", "/boot/initramfs-6.1.img")


def test_files_that_were_written_are_labelled_by_the_guests_own_tool(make_facts: MakeFacts) -> None:
    (step,) = selinux.decide(make_facts({CONFIG: ENFORCING}, paths=TOOL), STEPS)
    assert isinstance(step, Relabel)
    assert (step.command, step.paths) == (("/usr/sbin/setfiles", "-F", CONTEXTS), WRITTEN)
    assert record(step).action == "used by /usr/sbin/setfiles, to label 3 files"


def test_the_efi_partition_has_no_labels(make_facts: MakeFacts) -> None:
    facts = make_facts({CONFIG: ENFORCING}, paths=TOOL)
    esp = replace(facts.file_systems[0], device="/dev/sda9", type="vfat")
    facts = replace(
        facts,
        file_systems=(*facts.file_systems, esp),
        mounts=(*facts.mounts, Mount("/boot/efi", esp.device, 2**20, 2**20)),
    )
    on_it = Write("/boot/efi/EFI/redhat/grub.cfg", "", "x")
    (step,) = selinux.decide(facts, (*STEPS, on_it))
    assert isinstance(step, Relabel) and step.paths == WRITTEN
    assert selinux.decide(facts, (on_it,)) == []


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        (ENFORCING, ()),
        (ENFORCING, (CONTEXTS,)),
        (ENFORCING.replace("targeted", "mls"), TOOL),
        (ENFORCING.replace("enforcing", "permissive"), ("/sbin/setfiles",)),
    ],
)
def test_without_tool_or_policy_the_guest_relabels_itself_and_that_is_said(
    config: str, paths: tuple[str, ...], make_facts: MakeFacts
) -> None:
    (step,) = selinux.decide(make_facts({CONFIG: config}, paths=paths), STEPS)
    assert isinstance(step, Write) and (step.path, step.text) == ("/.autorelabel", "")
    assert "boots once more" in step.why


@pytest.mark.parametrize(
    ("config", "paths", "steps"),
    [
        (None, TOOL, STEPS),
        (ENFORCING.replace("SELINUX=enforcing", "SELINUX=disabled"), TOOL, STEPS),
        ("# nothing\n", TOOL, STEPS),
        (ENFORCING, (*TOOL, "/.autorelabel"), STEPS),
        (ENFORCING, TOOL, STEPS[1:2] + STEPS[4:5]),
    ],
)
def test_nothing_to_label(
    config: str | None, paths: tuple[str, ...], steps: tuple[Step, ...], make_facts: MakeFacts
) -> None:
    assert selinux.decide(make_facts({CONFIG: config}, paths=paths), steps) == []


def test_it_is_the_last_step_of_a_conversion_and_gone_from_the_next(make_facts: MakeFacts) -> None:
    facts = make_facts({CONFIG: ENFORCING})
    facts = replace(facts, paths=(*facts.paths, *TOOL))
    steps = table.decide(facts, Options("dhcp")).steps
    assert isinstance(steps[-1], Relabel) and "/etc/fstab" in steps[-1].paths
    assert [step for step in steps[:-1] if isinstance(step, Relabel)] == []
    assert table.decide(simulation.after(facts, steps), Options("dhcp")).steps == ()


@pytest.mark.parametrize("policy", ["targeted", "minimum", "mls", "strict", "default", "ubuntu", "refpolicy"])
@pytest.mark.parametrize("tool", ["/usr/sbin/setfiles", "/sbin/setfiles"])
def test_policies_and_places_of_the_distributions(policy: str, tool: str, make_facts: MakeFacts) -> None:
    contexts = f"/etc/selinux/{policy}/contexts/files/file_contexts"
    assert {tool, contexts} <= set(reading_list.PATHS)
    config = f"SELINUX=permissive\nSELINUXTYPE={policy}\n"
    (step,) = selinux.decide(make_facts({CONFIG: config}, paths=(tool, contexts)), STEPS)
    assert isinstance(step, Relabel) and step.command == (tool, "-F", contexts)
