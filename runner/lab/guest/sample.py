"""The sample guest: built once, kept in a cache, copied sparsely."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.lab.guest import disk, recipe, tree
from runner.process import run

_COPY_SECONDS = 600.0
_DATA_FILES = 8
_SEED = 20240917


@dataclass(frozen=True)
class SampleDisk:
    """One raw disk file of the guest; the first one boots."""

    id: str
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class SampleGuest:
    """The guest's disks and what is true about it: on VMware now, and on EC2 later."""

    disks: tuple[SampleDisk, ...]
    hostname: str
    root_password: str
    interface: str
    address: str
    mac: str
    root_uuid: str
    data_uuid: str
    data_mount: str
    report: str  # prefix of the line the guest writes to its console when it is up
    kernel: str  # `uname -r`
    data_files: tuple[tuple[str, str], ...]  # (name under data_mount, SHA-256 in hex)


def build(directory: Path, *, cache: Path, log: Callable[[str], None]) -> SampleGuest:
    """Put the sample guest's raw disks into `directory`, from `cache` if this recipe was built before.

    A first build takes about a minute and needs root and a Debian mirror; raises `tree.NotRoot`, `tree.ToolMissing`.
    """
    kept = cache / f"guest-{recipe_key()}"
    if not (kept / "facts.json").is_file():
        _build_into(kept, log)
    directory.mkdir(parents=True, exist_ok=True)
    facts = json.loads((kept / "facts.json").read_text(encoding="utf-8"))
    log(f"Copying the sample guest to {directory}")
    disks = []
    for name, size in facts.pop("disks"):
        path = directory / f"{name}.raw"
        run(["cp", "--sparse=always", "--reflink=auto", kept / f"{name}.raw", path], timeout=_COPY_SECONDS)
        disks.append(SampleDisk(name, path, size))
    data_files = tuple((name, digest) for name, digest in facts.pop("data_files"))
    return SampleGuest(disks=tuple(disks), data_files=data_files, **facts)


def recipe_key() -> str:
    """A digest of the sources that make the guest: another recipe, another key."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _build_into(kept: Path, log: Callable[[str], None]) -> None:
    tree.check_can_build()
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=kept.parent))
    try:
        guest = _make_disks(scratch, log)
        facts = asdict(guest) | {"disks": [(d.id, d.size_bytes) for d in guest.disks]}
        (scratch / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        try:
            scratch.rename(kept)  # the cache never shows a half-built guest
        except OSError:
            if not (kept / "facts.json").is_file():
                raise
            # Another process built the same guest meanwhile; its is as good.
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_disks(scratch: Path, log: Callable[[str], None]) -> SampleGuest:
    root, data = scratch / "tree", scratch / "data"
    tree.make_tree(root, log=log)
    data.mkdir()
    data_files = _write_data_files(data)
    log("Writing the disks")
    root_disk = SampleDisk("root", scratch / "root.raw", recipe.ROOT_BYTES)
    data_disk = SampleDisk("data", scratch / "data.raw", recipe.DATA_BYTES)
    grub = root / "boot/grub/i386-pc"
    boot_image, core_image = (grub / "boot.img").read_bytes(), (grub / "core.img").read_bytes()
    kernel = sorted(path.name for path in (root / "lib/modules").iterdir())[-1]
    _write(root_disk, recipe.ROOT_SIGNATURE, recipe.ROOT_UUID, root)
    disk.embed_grub(root_disk.path, boot_image=boot_image, core_image=core_image)
    _write(data_disk, recipe.DATA_SIGNATURE, recipe.DATA_UUID, data)
    shutil.rmtree(root)
    shutil.rmtree(data)
    return SampleGuest(
        disks=(root_disk, data_disk),
        hostname=recipe.HOSTNAME,
        root_password=recipe.ROOT_PASSWORD,
        interface=recipe.INTERFACE,
        address=recipe.ADDRESS,
        mac=recipe.MAC,
        root_uuid=recipe.ROOT_UUID,
        data_uuid=recipe.DATA_UUID,
        data_mount=recipe.DATA_MOUNT,
        report=recipe.REPORT,
        kernel=kernel,
        data_files=data_files,
    )


def _write(made: SampleDisk, signature: int, uuid: str, files: Path) -> None:
    disk.write_disk(made.path, size=made.size_bytes, signature=signature, uuid=uuid, label=made.id, tree=files)


def _write_data_files(directory: Path) -> tuple[tuple[str, str], ...]:
    chance = random.Random(_SEED)
    listed = []
    for number in range(_DATA_FILES):
        name = f"orders-{number:02d}.db"
        content = chance.randbytes(chance.randrange(recipe.MIB, 6 * recipe.MIB))
        (directory / name).write_bytes(content)
        listed.append((name, hashlib.sha256(content).hexdigest()))
    sums = "".join(f"{digest}  {name}\n" for name, digest in listed)
    (directory / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return tuple(listed)
