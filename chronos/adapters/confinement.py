"""How a process gives up what it does not need, before it touches a hostile file. No privileges are needed for it.

Two moments: `confine` at the start, and `seal` when everything is open that will ever be needed. What the system lacks
is left out; the layers do not need each other:

limits       memory, processor time, file size, no core dumps, and after `seal` no new file descriptor of any kind:
             no file, no socket (everywhere)
name spaces  a network of its own with nothing in it (Linux, where users may make them)
seccomp      after `seal` only system calls that computing needs: no socket, no exec, no fork, no signal to another
             process, no path (Linux on x86-64 and ARM64, also inside containers)
"""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_THREAD = 0x10000000, 0x40000000, 0x00010000
_FILTER = 2  # SECCOMP_MODE_FILTER

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table below, and AUDIT_ARCH: calls of another architecture (int 0x80) have other numbers."""

_CLONE, _CLONE3 = (56, 220), (435, 435)

_NEEDED: dict[str, tuple[int, int]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "lseek": (8, 62), "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "ftruncate": (77, 46),
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216),
    "madvise": (28, 233), "membarrier": (324, 283),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "exit": (60, 93), "exit_group": (231, 94),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169),
    "clock_nanosleep": (230, 115), "nanosleep": (35, 101), "getrandom": (318, 278), "getpid": (39, 172),
    "gettid": (186, 178), "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getrusage": (98, 165),
}  # fmt: skip
"""System calls that decoding makes, by their numbers on x86-64 and ARM64. Any other fails with EPERM."""


def confine(memory: int, cpu: int, size: int) -> None:
    """No more bytes of memory, seconds of processor and bytes of a file; no network; no life after the parent's."""
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, cpu, grace=5)  # SIGXCPU first, which says why; then SIGKILL
    _limit(resource.RLIMIT_FSIZE, size)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def seal() -> None:
    """Nothing more can be opened, connected to, started or signalled. What is open stays usable."""
    _limit(resource.RLIMIT_NOFILE, 0)
    machine = _MACHINES.get(platform.machine())
    if sys.platform == "linux" and machine:
        _allow_only(*machine)


def _limit(kind: int, most: int, *, grace: int = 0) -> None:
    allowed = resource.getrlimit(kind)[1]
    allowed = sys.maxsize if allowed == resource.RLIM_INFINITY else allowed
    resource.setrlimit(kind, (min(most, allowed), min(most + grace, allowed)))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _allow_only(column: int, architecture: int) -> None:
    code = _filter([numbers[column] for numbers in _NEEDED.values()], column, architecture)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def _filter(needed: list[int], column: int, architecture: int) -> bytes:
    """A program in classic BPF over struct seccomp_data: number at 0, architecture at 4, arguments from 16."""
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    allow, deny, unknown = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # EPERM; ENOSYS: then clone3's caller uses clone
    steps = [
        (load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, deny),
        (load, 0, 0, 0), (equal, 0, 1, _CLONE3[column]), (give, 0, 0, unknown),
        (equal, 0, 4, _CLONE[column]), (load, 0, 0, 16), (any_bit, 0, 1, _CLONE_THREAD), (give, 0, 0, allow),
        (give, 0, 0, deny),
    ]  # fmt: skip
    for number in needed:
        steps += [(equal, 0, 1, number), (give, 0, 0, allow)]
    steps.append((give, 0, 0, deny))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
