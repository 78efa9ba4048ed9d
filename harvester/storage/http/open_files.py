"""How many connections the limit of open files permits."""

from __future__ import annotations

import resource

_WANTED = 1024
_RESERVED = 40  # of a worker: its pipes, SQLite, certificates, the files it writes
_PER_CONNECTION = 2  # the socket, and a spool file or the pair of sockets of a name resolution


def connections_allowed() -> int:
    """Raise the soft limit of open files as far as the hard limit permits; return how many connections fit in it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _WANTED:
        wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return connections_within(soft)


def connections_within(open_files: int) -> int:
    """Return how many connections fit in a limit of open files; at least one."""
    if open_files == resource.RLIM_INFINITY:
        open_files = 1 << 20
    return max(1, (open_files - _RESERVED) // _PER_CONNECTION)
