"""A ceiling on the memory that decoders of other libraries take, where a file does not tell beforehand.

A table of a kilobyte may say that a text of 20 MB stands in each of its million rows; only its decoder finds out. So
while one works, the address space of the process has an end, and what runs into it is a MemoryError, not the end of the
process. On Linux alone: other systems have no such limit, or do not keep it.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import resource

_ALWAYS, _PER_BYTE = 2**31, 64  # whatever the file; for each of its bytes
_ONE_AT_A_TIME = threading.RLock()  # the limit is the process's: who ends first would lift that of another


@contextmanager
def limited_memory(file_size: int) -> Iterator[None]:
    """For what is within, 2 GiB beside what is in use, and 64 bytes for each one of a file of ``file_size``.

    Raises:
        MemoryError: by whoever within asks for more.
    """
    if sys.platform != "linux":
        yield
        return
    with _ONE_AT_A_TIME:
        before = resource.getrlimit(resource.RLIMIT_AS)
        with suppress(OSError, ValueError):  # not told how much is in use
            limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
            lowest = min([_in_use() + _ALWAYS + _PER_BYTE * file_size, *limits])
            resource.setrlimit(resource.RLIMIT_AS, (lowest, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


def _in_use() -> int:
    """Bytes of addresses that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
