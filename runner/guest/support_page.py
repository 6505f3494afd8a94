"""The tables of docs/guests.md, made from the support matrix: `make guests-page` writes them. Pure but for `main`."""

from __future__ import annotations

import sys
from pathlib import Path

from schemas.guests import LinuxRow, WindowsRow, matrix

START = "<!-- made by `make guests-page` from schemas/guests.json -->\n"
END = "<!-- end -->\n"
_LOADERS = {"grub2": "GRUB 2", "bls": "GRUB 2 with BLS entries", "grub-legacy": "GRUB legacy"}
_NETWORKS = {"networkd": "systemd-networkd", "networkmanager": "NetworkManager", "ifcfg": "network scripts"}


def tables() -> str:
    """Everything between START and END."""
    linux = [
        "| Linux | os-release | initramfs | boot loader | network | kernel | Nitro | Xen | remarks |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_linux(row) for row in matrix().linux),
    ]
    windows = [
        "| Windows | build | installation | editions | Nitro | Xen | remarks |",
        "|---|---|---|---|---|---|---|",
        *(_windows(row) for row in matrix().windows),
    ]
    layout = [
        "| layout | supported |",
        "|---|---|",
        f"| root file system of Linux | {', '.join(matrix().file_systems)} |",
        f"| partition table | {', '.join('MBR' if table == 'dos' else table.upper() for table in matrix().tables)} |",
        f"| firmware | {', '.join(firmware.upper() for firmware in matrix().firmwares)} |",
        f"| Linux root on | {', '.join({'plain': 'a partition', 'lvm': 'LVM'}.get(v, v) for v in matrix().volumes)} |",
    ]
    return "\n".join([*linux, "", *windows, "", *layout]) + "\n"


def page(text: str) -> str:
    """The page with its tables made anew. Raises `ValueError` when the marks are not there."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError("the page has no place for the tables")
    return f"{before}{START}\n{tables()}\n{END}{after}"


def _linux(row: LinuxRow) -> str:
    ids = ", ".join(f"{name} {version}" for name in row.distributions for version in row.versions)
    loaders = ", ".join(_LOADERS[loader] for loader in row.boot_loaders)
    networks = ", ".join(_NETWORKS.get(system, system) for system in row.networks)
    cells = (row.name, ids, row.initramfs, loaders, networks, row.kernel, row.nitro, row.xen, row.note)
    return f"| {' | '.join(cells)} |"


def _windows(row: WindowsRow) -> str:
    last = "" if row.first_build == row.last_build else f" to {row.last_build}"
    editions = ", ".join(f"{edition.name}" for edition in row.editions)
    cells = (row.name, f"{row.first_build}{last}", ", ".join(row.installations), editions, row.nitro, row.xen, row.note)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Rewrite the page that is named on the command line."""
    path = Path(sys.argv[1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
