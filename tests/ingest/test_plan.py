"""What a job does next, over virtual time: every chain, every vendor, no clock and no waiting."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochanger.adapters.providers.driver import (
    BadAnswer,
    BadConfiguration,
    NoImage,
    RateLimited,
    Rejected,
    Silent,
    TimedOut,
    Unavailable,
    Unreachable,
)
from photochanger.features.ingest.plan import (
    LEAST_CALL_SECONDS,
    LOCAL_RESERVE,
    Call,
    Plan,
    PlannedStep,
    first_call,
    next_call,
    share_ends,
)

WINDOW = 50.0
REMOTE, LOCAL = PlannedStep(0, is_local=False), PlannedStep(1, is_local=True)


def nobody(_: PlannedStep) -> bool:
    return False


def plan(*steps: PlannedStep, **members: Any) -> Plan:
    return Plan(steps=steps, started=0.0, window=WINDOW, **members)


def after(chosen: Plan, failure: Exception, *, at: float, calls: int = 1) -> Call | None:
    """What follows when the first step's call number `calls` failed at that time."""
    call = first_call(chosen, 0.0, nobody)
    for _ in range(calls - 1):
        assert call is not None
        call = next_call(chosen, call.state, at, NoImage("none"), nobody)
    assert call is not None
    return next_call(chosen, call.state, at, failure, nobody)


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ([REMOTE], 50),
        ([REMOTE, LOCAL], 48),
        ([REMOTE, REMOTE], 40),
        ([REMOTE, REMOTE, LOCAL], 38),
        ([REMOTE] * 5, 25),
        ([REMOTE, LOCAL, LOCAL], 46),
    ],
)
def test_a_step_leaves_time_for_those_after_it(steps, ends):
    assert share_ends(plan(*steps), 0, 0.0) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("steps", "now", "ends"),
    [([REMOTE, REMOTE], 30, 40), ([REMOTE] * 3, 30, 40), ([REMOTE, LOCAL], 47, 48.5), ([REMOTE, LOCAL], 60, 60)],
)
def test_a_late_step_has_at_least_half_of_what_is_left(steps, now, ends):
    assert share_ends(plan(*steps), 0, now) == pytest.approx(ends)


def test_a_steps_own_time_out_cuts_its_share():
    call = first_call(plan(PlannedStep(0, is_local=False, timeout=7), LOCAL), 0.0, nobody)
    assert call is not None
    assert (call.state.ends, call.state.is_own_end) == (7, True)


def test_time_for_the_original_is_kept():
    assert share_ends(plan(REMOTE, keeps_reserve=True), 0, 0.0) == WINDOW - LOCAL_RESERVE


def test_only_the_last_step_may_go_on_after_the_window():
    chosen = plan(REMOTE, REMOTE, late=300)
    assert share_ends(chosen, 0, 0.0) == 40
    assert share_ends(chosen, 1, 40.0) == 350


def test_no_image_is_asked_for_again_at_once_three_calls_at_most_where_a_step_follows():
    chosen = plan(REMOTE, LOCAL)
    for calls in (1, 2):
        again = after(chosen, NoImage("none"), at=1.0, calls=calls)
        assert again is not None
        assert (again.state.at, again.after) == (0, 1.0)
    last = after(chosen, NoImage("none"), at=1.0, calls=3)
    assert last is not None
    assert last.state.at == 1


def test_no_image_of_the_last_step_is_asked_for_until_time_is_up():
    chosen = plan(REMOTE)
    now, calls, call = 0.0, 1, first_call(chosen, 0.0, nobody)
    while call is not None:
        now = max(now, call.after) + 1.2
        call = next_call(chosen, call.state, now, NoImage("none"), nobody)
        calls += 1
    assert now > WINDOW - 12
    assert calls > 8


def test_a_vendor_that_is_down_gets_one_more_call_where_a_step_follows():
    chosen = plan(REMOTE, LOCAL)
    again = after(chosen, Unavailable("503"), at=1.0)
    assert again is not None
    assert (again.state.at, again.after) == (0, 1.5)
    last = next_call(chosen, again.state, 2.0, Unavailable("503"), nobody)
    assert last is not None
    assert last.state.at == 1


def test_a_silent_line_is_left_at_once_where_a_step_follows():
    following = after(plan(REMOTE, LOCAL), Silent("silent"), at=3.0)
    assert following is not None
    assert (following.state.at, following.after) == (1, 3.0)
    again = after(plan(REMOTE), Silent("silent"), at=3.0)
    assert again is not None
    assert (again.state.at, again.after) == (0, 3.5)


@pytest.mark.parametrize(
    "failure",
    [Rejected("no"), BadConfiguration("key"), BadAnswer("cut"), TimedOut("late"), Unreachable("refused"), OSError()],
)
def test_what_another_call_does_not_mend_ends_the_step(failure):
    following = after(plan(REMOTE, LOCAL), failure, at=1.0)
    assert following is not None
    assert following.state.at == 1
    assert after(plan(REMOTE), failure, at=1.0) is None


@pytest.mark.parametrize("kind", [RateLimited, Unavailable])
@pytest.mark.parametrize(("seconds", "waits"), [(17.0, True), (46.0, True), (47.0, False), (3600.0, False)])
def test_a_stated_wait_is_kept_only_where_it_fits(kind, seconds, waits):
    following = after(plan(REMOTE, LOCAL), kind("slow down", seconds), at=1.0)
    assert following is not None
    assert (following.state.at, following.after) == ((0, 1.0 + seconds) if waits else (1, 1.0))


def test_an_unstated_wait_doubles():
    chosen, now = plan(REMOTE), 0.0
    waits: list[float] = []
    call = first_call(chosen, now, nobody)
    while call is not None and len(waits) < 4:
        waits.append(call.after - now)
        now = call.after
        call = next_call(chosen, call.state, now, RateLimited("slow down"), nobody)
    assert waits == [0, 1, 2, 4]


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_a_stated_wait_of_nothing_is_no_leave_to_ask_a_thousand_times(seconds):
    chosen, now, calls = plan(REMOTE), 0.0, 0
    call = first_call(chosen, now, nobody)
    while call is not None and calls < 1000:
        now, calls = call.after + 0.005, calls + 1
        call = next_call(chosen, call.state, now, RateLimited("slow down", seconds), nobody)
    assert 10 < calls <= 100


def test_a_step_that_is_known_to_be_down_is_skipped_only_while_another_follows():
    chosen = plan(REMOTE, PlannedStep(1, is_local=False))
    call = first_call(chosen, 0.0, lambda _: True)
    assert call is not None
    assert call.state.at == 1


FAILURES = st.sampled_from(
    [
        lambda: NoImage("none"),
        lambda: Unavailable("503"),
        lambda: Unreachable("refused"),
        lambda: RateLimited("wait"),
        lambda: RateLimited("wait", 5.0),
        lambda: TimedOut("late"),
        lambda: BadAnswer("cut"),
    ]
)
STEPS = st.lists(
    st.builds(
        PlannedStep,
        number=st.just(0),
        is_local=st.booleans(),
        timeout=st.none() | st.floats(min_value=0.1, max_value=60),
    ),
    min_size=1,
    max_size=5,
)


@given(
    steps=STEPS,
    window=st.floats(min_value=10, max_value=60),
    late=st.sampled_from([0.0, 300.0]),
    keeps_reserve=st.booleans(),
    began=st.floats(min_value=0, max_value=60),
    calls=st.lists(st.tuples(st.floats(min_value=0, max_value=400), FAILURES), max_size=60),
    down=st.sets(st.integers(min_value=0, max_value=4)),
)
def test_whatever_vendors_do_steps_go_forward_calls_end_in_time_and_the_last_step_has_its_turn(
    steps, window, late, keeps_reserve, began, calls, down
):
    chosen = Plan(steps=steps, started=0.0, window=window, late=late, keeps_reserve=keeps_reserve)
    last = chosen.closes + late
    now, at = began, 0
    call = first_call(chosen, now, lambda step: steps.index(step) in down)
    for seconds, failure in calls:
        if call is None:
            break
        state = call.state
        assert state.at >= at
        assert call.after >= now
        assert state.ends <= max(last, now)
        if state.at < len(steps) - 1:
            assert state.ends <= max(chosen.closes, now)
            assert state.ends - now <= max(0.0, chosen.closes - now)
        if call.after > now:
            assert call.after + LEAST_CALL_SECONDS <= state.ends  # nobody waits for a call that has no time
        at, now = state.at, min(call.after + seconds, max(state.ends, call.after))
        call = next_call(chosen, state, now, failure(), lambda step: steps.index(step) in down)
    if call is None:
        assert at == len(steps) - 1
