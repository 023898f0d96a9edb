"""Locks the own process in: Linux namespaces, a read-only machine, resource limits. Standard library only.

Runs in a process made for it, see `evals.sandbox`. The calls of the kernel have no wrappers in Python 3.11,
so they go through libc; every one that fails ends the run, so nothing is ever executed half locked in.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Mapping
from pathlib import Path

# places inside the sandbox, whose temporary folder is its own and empty; on the machine they do not exist
TEMPORARY = "/tmp"
PROJECT = f"{TEMPORARY}/project"
HOME = f"{TEMPORARY}/home"
NOBODY = 65534
HIDDEN = ("/root", "/home", "/run", "/var/run", "/var/tmp", "/dev/shm", "/mnt", "/media", "/srv", "/sys")
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_PRIVATE_TREE = 2, 4, 8, (1 << 14) | (1 << 18)
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID = 1, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
SIGKILL = 9
ARCHITECTURES = ("x86_64", "aarch64")


class NotIsolated(Exception):
    """The machine cannot lock a process in; says which step failed."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _require(result: int, step: str) -> None:
    if result:
        raise NotIsolated(f"{step}: {os.strerror(ctypes.get_errno())}")


def enter_namespaces(home: str) -> int | None:
    """Leave root, enter own namespaces, fork: the child is process 1 of a machine without network.

    Args:
        home: The user's home folder, which is hidden.

    Returns:
        The child's process id in the parent; None in the child, where the machine is read-only.

    Raises:
        NotIsolated: A step was not possible.
    """
    if platform.system() != "Linux" or platform.machine() not in ARCHITECTURES:
        raise NotIsolated(f"namespaces need Linux on {' or '.join(ARCHITECTURES)}")
    try:
        _leave_root()
        uid, gid = os.getuid(), os.getgid()
        spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
        _require(_libc().unshare(spaces), "user namespaces")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            Path("/proc/self", name).write_text(text)
        _die_with_parent()
        child = os.fork()
        if child:
            return child
        _die_with_parent()
        _lock_mounts(home)
    except OSError as error:
        raise NotIsolated(str(error)) from error
    return None


def _leave_root() -> None:
    """Root is exempt from limits of processes: become nobody, who may still map himself."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _require(_libc().prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable")


def _die_with_parent() -> None:
    _require(_libc().prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "death with the parent")


def _lock_mounts(home: str) -> None:
    """Everything read-only, /tmp a small file system of its own, homes and sockets out of sight."""
    _mount(None, "/", None, MS_PRIVATE_TREE)
    for folder in dict.fromkeys((*HIDDEN, home)):
        # isdir: a folder that we may not even look at needs no hiding
        if os.path.isdir(folder) and not os.path.islink(folder) and folder != "/":
            _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k,nr_inodes=2,mode=755")
    _mount("tmpfs", TEMPORARY, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,nr_inodes=2048,mode=700")
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except NotIsolated:  # inside some containers; then there is none, rather than the machine's
        _mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "size=4k,nr_inodes=2,mode=555")
    _set_attributes("/", AT_RECURSIVE, ATTR_RDONLY | ATTR_NOSUID, 0)
    _set_attributes(TEMPORARY, 0, 0, ATTR_RDONLY)
    for folder in (PROJECT, HOME):
        Path(folder).mkdir(mode=0o700)
    os.chdir(PROJECT)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    data = options.encode() if options else None
    _require(_libc().mount(*texts, ctypes.c_ulong(flags), data), f"mount {target}")


def _set_attributes(target: str, flags: int, attr_set: int, attr_clear: int) -> None:
    attributes = struct.pack("QQQQ", attr_set, attr_clear, 0, 0)
    arguments = (AT_FDCWD, target.encode(), flags, attributes, ctypes.c_size_t(len(attributes)))
    _require(_libc().syscall(MOUNT_SETATTR, *arguments), f"read-only {target}")


def limit_resources(limits: Mapping[str, int]) -> None:
    """Limit what this process and, each for itself, its children may use.

    Args:
        limits: `cpu_s`, `memory_bytes`, `file_bytes`, `processes`.
    """
    for kind, value in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def drop_privileges() -> None:
    """What is executed from now on has no capability, in these namespaces either, and never gets one."""
    libc = _libc()
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            if capability == 0:
                raise NotIsolated("capabilities cannot be dropped")
            break  # the kernel knows no higher one
    _require(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
