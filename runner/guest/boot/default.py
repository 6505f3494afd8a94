"""Which kernel boots unless somebody chooses another, by the files of the boot loader. Pure.

GRUB manual, "Simple configuration handling" (GRUB_DEFAULT), "The GRUB environment block" (saved_entry); Red Hat,
"Managing, monitoring and updating the kernel" (BLS); GRUB legacy manual, "default".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.guest.boot import grub_defaults, grubenv, table
from runner.guest.facts import GuestFacts, Kernel, TextFile

_MENU = re.compile(r"""\s*(menuentry|submenu)\s+(?:'([^']*)'|"([^"]*)").*\{\s*\Z""")
_ONE_LINE = re.compile(r"(\s*menuentry\s.*?\{)\s(.*)\}\s*\Z")
_NESTED_MOST = 4  # menus open at once: generated files have a submenu with entries in it
_ID = re.compile(r"""(?:\$\{?menuentry_id_option\}?|--id)\s+['"]?([^'"\s{]+)""")
_IMAGE = re.compile(r"\s*(?:linux(?:16|efi)?|kernel(?!opts)|module)\s+(?:--\S+\s+)*\S*vmlinuz-(\S+)")
_SET_DEFAULT = re.compile(r"""\s*set\s+default=["']?([^"'\n]*)""")


@dataclass(frozen=True)
class _Entry:
    """A menu entry and the version it starts.

    `path` leads to it through its submenus: of each menu on the way the number, title and id, any of which names it.
    """

    path: tuple[tuple[str, ...], ...]
    version: str


def marked(kernels: Sequence[Kernel], facts: GuestFacts) -> tuple[Kernel, ...]:
    """The kernels, one of them as the default: the newest where no boot loader's file tells another one."""
    newest = sorted(kernels, key=lambda kernel: kernel.age, reverse=True)
    known = {kernel.version for kernel in kernels}
    told = next((version for version in _told(facts) if version in known), newest[0].version if newest else "")
    return tuple(replace(kernel, default=kernel.version == told) for kernel in kernels)


def _told(facts: GuestFacts) -> list[str]:
    """The version that each boot loader of the guest starts, the one in force first."""
    saved = next((s for file in _environments(facts) if (s := grubenv.settings(file.text).get("saved_entry"))), "")
    configs = [file for file in facts.files if re.fullmatch(table.KINDS[0].path, file.path)]
    defaults = [line for file in configs for line in file.text.splitlines()]
    wanted = [match[1] for line in defaults if (match := _SET_DEFAULT.match(line)) and "next_entry" not in match[1]]
    asked = wanted[-1] if wanted else (_setting(facts, "GRUB_DEFAULT") or "0")
    name = saved or "0" if "saved_entry" in asked or asked == "saved" else asked
    if _uses_loader_entries(facts, configs):
        return [_chosen(_loader_entries(facts), name)]
    menus = [_chosen(_menu(file.text), name) for file in configs]
    return [version for version in (*menus, _legacy(facts)) if version]


def _environments(facts: GuestFacts) -> list[TextFile]:
    return [file for file in facts.files if re.fullmatch(grubenv.PATHS, file.path)]


def _setting(facts: GuestFacts, name: str) -> str:
    found = re.findall(rf"^{name}=[\"']?([^\"'\n]*)", facts.text(grub_defaults.DEFAULTS) or "", re.MULTILINE)
    return found[-1] if found else ""


def _uses_loader_entries(facts: GuestFacts, configs: Sequence[TextFile]) -> bool:
    if not facts.files_in(table.ENTRIES, ".conf"):
        return False
    return not configs or any(re.search(r"^\s*(?:insmod )?blscfg", file.text, re.MULTILINE) for file in configs)


def _loader_entries(facts: GuestFacts) -> list[_Entry]:
    """RHEL's GRUB shows them from the newest version to the oldest, so those of the "version" 0-rescue last."""
    found = []
    for file in facts.files_in(table.ENTRIES, ".conf"):
        fields = dict(line.split(maxsplit=1) for line in file.text.splitlines() if len(line.split(maxsplit=1)) == 2)
        version = fields.get("linux", "").rpartition("vmlinuz-")[2] or fields.get("version", "")
        title, name = fields.get("title", ""), file.path.rpartition("/")[2].removesuffix(".conf")
        found.append((version.strip(), name, title))
    found.sort(key=lambda one: _order(one[0]), reverse=True)
    return [_Entry(((str(number), *names),), version) for number, (version, *names) in enumerate(found)]


def _order(version: str) -> tuple[tuple[int, str], ...]:
    return Kernel(version, (), (), "", (), 0).age


def _menu(text: str) -> list[_Entry]:
    """The entries of a grub.cfg, by its braces: a menu entry or submenu ends at a line with a closing one alone."""
    found: list[_Entry] = []
    open_menus: list[tuple[str, tuple[str, ...]]] = []  # (kind, what may name it)
    counts = [0]
    for line in _menu_lines(text):
        if menu := _MENU.match(line):
            if len(open_menus) == _NESTED_MOST:
                break
            open_menus.append((menu[1], (str(counts[-1]), menu[2] or menu[3] or "", *_ID.findall(line)[:1])))
            counts[-1] += 1
            if menu[1] == "submenu":
                counts.append(0)
        elif line.strip() == "}" and open_menus:
            if open_menus.pop()[0] == "submenu":
                counts.pop()
        elif (image := _IMAGE.match(line)) and open_menus and open_menus[-1][0] == "menuentry":
            found.append(_Entry(tuple(names for _, names in open_menus), image[1]))
    return found


def _menu_lines(text: str) -> Iterator[str]:
    """The lines, an entry that stands on one line taken apart."""
    for line in text.splitlines():
        if line.rstrip().endswith("}") and (whole := _ONE_LINE.match(line)):
            yield from (whole[1], *whole[2].split(";"), "}")
        else:
            yield line


def _legacy(facts: GuestFacts) -> str:
    text = next((text for path in table.LEGACY if (text := facts.text(path)) is not None), "")
    stated = re.search(r"^\s*default[\s=]+(\S+)", text, re.MULTILINE)
    number = stated[1] if stated else "0"
    if number == "saved":
        number = next(iter((facts.text("/boot/grub/default") or "").split()), "0")
    entries: list[_Entry] = []
    titles = -1
    for line in text.splitlines():
        titles += line.strip().startswith("title")
        if titles >= 0 and (image := _IMAGE.match(line)):
            entries.append(_Entry(((str(titles),),), image[1]))
    return _chosen(entries, number)


def _chosen(entries: Sequence[_Entry], name: str) -> str:
    """The version of the entry that a name or a number means; of the first where it means none, as GRUB does."""
    # GRUB manual, "default": submenus are separated by ">", which a title spells ">>".
    said = [part.replace(">>", ">") for part in re.split(r"(?<!>)>(?!>)", name.removesuffix(".conf"))]
    named = [e for e in entries if len(said) <= len(e.path) and all(map(tuple.__contains__, e.path, said))]
    found = next((entry for entry in named if len(entry.path) == len(said)), None)
    # A name may mean a submenu: its first entry.
    found = found or next(iter(named or entries), None)
    return found.version if found else ""
