"""What a process that opens an untrusted guest or image may do: no network, no rights, bounded resources."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import resource
import shutil
from dataclasses import dataclass
from functools import cache

from runner.process import run

_USERS = ("hotadd-guest", "nobody")  # the first one that exists; an access node has the first
_KVM_GROUP = "kvm"
_PR_SET_NO_NEW_PRIVS = 38
_GIB = 1024**3
_ADDRESS_SPACE = 16 * _GIB  # QEMU maps the appliance's memory and up to 1 GiB of translated code
_FILE_BYTES = 64 * _GIB  # an overlay holds what conversion writes: megabytes
_OPEN_FILES = 4096
_READER_ADDRESS_SPACE = 4 * _GIB  # qemu-nbd's threads and caches
_READER_OPEN_FILES = 256
_PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Identity:
    """The user, group and further groups that the conversion process becomes."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def identity() -> Identity:
    """Whom conversion runs as: an unprivileged user when this process is root, else this process's own user."""
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(user.pw_uid, user.pw_gid, _kvm_group())
    return Identity(65534, 65534, _kvm_group())


@cache
def without_network() -> tuple[str, ...]:
    """The command prefix that runs a program in a network namespace of its own, which has no interface.

    Empty where the kernel grants no namespace (an unprivileged user in a container); the appliance has no network
    device in any case.
    """
    if shutil.which("unshare") is None:
        return ()
    prefix = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-current-user")
    tried = run([*prefix, "true"], timeout=_PROBE_SECONDS, accept=range(256))
    return prefix if tried.code == 0 else ()


def confined(who: Identity) -> tuple[str, ...]:
    """The command prefix for a program that parses an untrusted image: no network, no rights, no file to write.

    It may not open any file of root's: it is handed what it reads through a socket.
    """
    rights: tuple[str, ...] = ("setpriv", "--no-new-privs")
    if os.geteuid() == 0 and who.uid != 0:
        rights += (
            f"--reuid={who.uid}",
            f"--regid={who.gid}",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        )
    limits = ("--core=0", f"--as={_READER_ADDRESS_SPACE}", "--fsize=0", f"--nofile={_READER_OPEN_FILES}")
    return (*without_network(), *rights, "prlimit", *limits)


def confine(who: Identity) -> None:
    """Give up root, the way back to it, and unbounded resources. For the worker, after its imports."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if os.geteuid() == 0 and who.uid != 0:
        os.setgroups(who.groups)
        os.setresgid(who.gid, who.gid, who.gid)
        os.setresuid(who.uid, who.uid, who.uid)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def _kvm_group() -> tuple[int, ...]:
    try:
        return (grp.getgrnam(_KVM_GROUP).gr_gid,)
    except KeyError:
        return ()
