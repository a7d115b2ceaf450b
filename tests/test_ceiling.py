"""The ceiling on memory: what runs into it, what does not, and that it is gone afterwards."""

import resource
import sys

import numpy as np
import pytest

from cospike._ceiling import limited_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the limit")
GIB = 2**30


def fits(n_bytes):
    try:
        np.empty(n_bytes, np.uint8)  # addresses: nothing is written to them
    except MemoryError:
        return False
    return True


def test_what_asks_for_more_than_the_file_accounts_for_is_refused():
    with limited_memory(1_000):
        assert fits(GIB)
        assert not fits(3 * GIB)
    with limited_memory(GIB // 32):
        assert fits(3 * GIB)
    assert fits(3 * GIB)


def test_the_limit_of_the_process_is_kept_and_comes_back():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited_memory(0):
        lower = resource.getrlimit(resource.RLIMIT_AS)
        with limited_memory(2**40):
            assert resource.getrlimit(resource.RLIMIT_AS) == lower
    with pytest.raises(ValueError, match="of someone"), limited_memory(0):
        raise ValueError("of someone within")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
