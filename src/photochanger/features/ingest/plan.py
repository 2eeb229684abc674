"""What a job does next: a state and what just happened in, the next call out. Pure: no clock, no waiting, no provider.

Shares, retries and their reasons: `docs/adr/0009-one-window-many-steps.md`.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from photochanger.adapters.providers.driver import (
    NoImage,
    RateLimited,
    Silent,
    Unavailable,
    Unreachable,
)

LOCAL_RESERVE = 2.0
"""Seconds that stay for each local step that follows, and for handing back the original."""
REMOTE_RESERVE_SHARE = 0.2
"""Share of the window that stays for each remote step that follows."""
LEAST_CALL_SECONDS = 1.0
"""Below which another call is not begun."""
_CUT_SECONDS = 1.0
"""Before a share's end from which on being late is the window's doing."""
_MOST_WITHOUT_IMAGE = 3
_SHORT_PAUSE = 0.5
_LONGEST_PAUSE = 8.0


class PlannedStep(Struct, frozen=True):
    """`number` is its place in the slot's chain."""

    number: int
    is_local: bool
    timeout: float | None = None
    """Seconds of the slot's own, for all calls of the step together."""


class Plan(Struct, frozen=True, kw_only=True):
    """Monotonic seconds. The steps are those that nobody paused."""

    steps: Sequence[PlannedStep]
    started: float
    window: float
    late: float = 0.0
    """Seconds after the window that the last step may go on for."""
    keeps_reserve: bool = False
    """Whether the original is handed back when every step fails, which takes some of the window too."""

    @property
    def closes(self) -> float:
        return self.started + self.window


class State(Struct, frozen=True, kw_only=True):
    """Where a job is: `at` counts the plan's steps; `ends` is when the step's share is over."""

    at: int
    ends: float
    is_own_end: bool
    """By the step's own time-out, not for the sake of the window."""
    calls: int = 1
    unstated_waits: int = 0


class Call(Struct, frozen=True):
    """The next call: not before `after`, not beyond the state's `ends`."""

    state: State
    after: float


Skips = Callable[[PlannedStep], bool]
"""Whether a step's provider is known to be down."""


def first_call(plan: Plan, now: float, skips: Skips) -> Call | None:
    return _enter(plan, 0, now, skips)


def next_call(plan: Plan, state: State, now: float, failure: Exception, skips: Skips) -> Call | None:
    """After a call that failed; None: nothing is left to try."""
    pause = _pause(plan, state, failure)
    if pause is not None and now + pause + LEAST_CALL_SECONDS <= state.ends:
        waits = state.unstated_waits + (isinstance(failure, RateLimited) and failure.retry_after is None)
        return Call(msgspec.structs.replace(state, calls=state.calls + 1, unstated_waits=waits), now + pause)
    return _enter(plan, state.at + 1, now, skips)


def share_ends(plan: Plan, at: int, now: float) -> float:
    """What is left of the window less a reserve for the steps after it, at least half of what is left."""
    after = plan.steps[at + 1 :]
    if not after and plan.late:
        return plan.closes + plan.late
    left = max(0.0, plan.closes - now)
    reserve = sum(LOCAL_RESERVE if each.is_local else REMOTE_RESERVE_SHARE * plan.window for each in after)
    return now + left - min(reserve + LOCAL_RESERVE * plan.keeps_reserve, left / 2)


def _enter(plan: Plan, at: int, now: float, skips: Skips) -> Call | None:
    """A step is skipped only while another one follows: the last one is always worth a try."""
    while at < len(plan.steps) - 1 and skips(plan.steps[at]):
        at += 1
    if at >= len(plan.steps):
        return None
    ends, timeout = share_ends(plan, at, now), plan.steps[at].timeout
    own_end = ends if timeout is None else now + timeout
    return Call(State(at=at, ends=min(ends, own_end), is_own_end=own_end < ends), now)


def _pause(plan: Plan, state: State, failure: Exception) -> float | None:
    """Seconds before the same step is worth another call; None: it is not."""
    is_last = state.at == len(plan.steps) - 1
    match failure:
        case NoImage() if is_last or state.calls < _MOST_WITHOUT_IMAGE:
            # At once; a vendor that says so again and again within milliseconds is not asked a thousand times.
            return 0.0 if state.calls < _MOST_WITHOUT_IMAGE else _growing(state.calls - _MOST_WITHOUT_IMAGE)
        case RateLimited(retry_after=None):
            return 2.0**state.unstated_waits
        case RateLimited(retry_after=seconds):
            return max(_SHORT_PAUSE, seconds or 0.0)  # some vendors say 0, photo after photo
        case Unreachable():
            return None
        case Silent() if not is_last:  # the guest has waited long enough for this line
            return None
        case Unavailable(retry_after=seconds) if is_last or state.calls < 2:  # noqa: PLR2004 – once more
            return max(_growing(state.calls - 1), seconds or 0.0)
        case _:
            return None


def _growing(times: int) -> float:
    return min(_LONGEST_PAUSE, _SHORT_PAUSE * 2.0 ** min(times, 10))


def is_cut_by_window(state: State, now: float) -> bool:
    """Whether a call that was late was so for the window's sake, not for its step's own time-out or the vendor's."""
    return not state.is_own_end and state.ends - now < _CUT_SECONDS
