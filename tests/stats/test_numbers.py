"""Adding up and percentiles; properties over random photos."""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from photochanger.features.stats.numbers import EXACT_MS, LONGEST_MS, STEPS, Numbers, step_width, total

WAITS = st.lists(st.integers(0, LONGEST_MS - 1), min_size=1, max_size=200)


def of(waits: list[int]) -> Numbers:
    return total(Numbers(delivered=1, waits={wait // step_width(wait) * step_width(wait): 1}) for wait in waits)


@given(WAITS, st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_beside_the_true_one_by_a_sixty_fourth_at_most(waits, share):
    true = sorted(waits)[ceil(share * len(waits)) - 1]
    found = of(waits).percentile(share)
    assert found is not None
    assert abs(found - true) <= true / (2 * STEPS)
    assert true >= EXACT_MS or found == true


@given(WAITS, WAITS)
def test_parts_added_up_are_the_whole(some, others):
    assert total([of(some), of(others)]) == of(some + others)


def test_nothing_has_no_percentile():
    assert Numbers().percentile(0.5) is None
    assert Numbers().received == 0
