"""When a provider counts as down, and how it comes back."""

import pytest

from photochanger.adapters.coordination.breaker import LEAST_CALLS, OPEN_SECONDS, WINDOW_SECONDS, Breaker, Breakers
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = 1, *, is_unreachable: bool = False) -> None:
    for _ in range(times):
        breaker.failed(is_unreachable=is_unreachable)


def test_half_of_twenty_calls_open_it(breaker: Breaker) -> None:
    for _ in range(LEAST_CALLS // 2):
        breaker.went_well()
    fail(breaker, LEAST_CALLS // 2 - 1)
    assert not breaker.refuses()
    fail(breaker)
    assert breaker.refuses()


def test_fewer_than_half_do_not(breaker: Breaker) -> None:
    for _ in range(LEAST_CALLS):
        breaker.went_well()
    fail(breaker, LEAST_CALLS - 1)
    assert not breaker.refuses()


def test_what_is_long_ago_does_not_count(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, LEAST_CALLS - 1)
    clock.advance(seconds=WINDOW_SECONDS + 1)
    fail(breaker)
    assert not breaker.refuses()


def test_an_address_that_leads_nowhere_opens_it_at_once(breaker: Breaker) -> None:
    fail(breaker, is_unreachable=True)
    assert breaker.refuses()


def test_one_call_is_let_through_after_a_while_and_closes_it_when_it_went_well(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail(breaker, LEAST_CALLS)
    clock.advance(seconds=OPEN_SECONDS)
    assert [breaker.refuses() for _ in range(3)] == [False, True, True]
    breaker.went_well()
    assert not breaker.refuses()
    fail(breaker)
    assert not breaker.refuses()  # what was before is over


def test_a_failed_probe_keeps_it_open_for_as_long_again(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, is_unreachable=True)
    clock.advance(seconds=OPEN_SECONDS)
    assert not breaker.refuses()
    fail(breaker)
    clock.advance(seconds=OPEN_SECONDS - 1)
    assert breaker.refuses()
    clock.advance(seconds=1)
    assert not breaker.refuses()


def test_calls_that_were_on_their_way_do_not_put_the_probe_off(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, is_unreachable=True)
    clock.advance(seconds=OPEN_SECONDS - 1)
    fail(breaker, 5)
    clock.advance(seconds=1)
    assert not breaker.refuses()


def test_a_probe_that_never_tells_is_forgotten(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, is_unreachable=True)
    clock.advance(seconds=OPEN_SECONDS)
    assert not breaker.refuses()
    assert breaker.refuses()
    clock.advance(seconds=OPEN_SECONDS)
    assert not breaker.refuses()


def test_each_name_has_its_own(clock: FakeClock) -> None:
    breakers = Breakers(clock)
    fail(breakers.of("gemini:a"), is_unreachable=True)
    assert breakers.of("gemini:a").refuses()
    assert not breakers.of("gemini:b").refuses()
