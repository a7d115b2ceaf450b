"""Schedules: their ends, and what lies between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cospike._errors import InputError
from cospike.schedule import Schedule


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_schedule_ends_within_training_and_stays_between_its_ends(a, b, progress):
    begin, until = sorted((a, b))
    schedule = Schedule(2.0, 5.0, begin=begin, until=until)
    assert schedule(1.0) == 5.0
    assert schedule(until) == 5.0
    assert 2.0 <= schedule(progress) <= 5.0
    with pytest.raises(InputError, match="fractions"):
        Schedule(0.0, 1.0, until=1.5)
