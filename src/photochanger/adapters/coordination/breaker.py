"""Circuit breakers: who is known to be down is not asked by every photo anew. Per process, one for each name.

Libraries count failures in a row; a vendor of whose calls half fail is down for guests all the same.
"""

from collections import deque

from photochanger.core.clock import Clock

WINDOW_SECONDS = 30.0
LEAST_CALLS = 20
OPEN_SECONDS = 15.0
"""After which one call is let through to see; the others follow when it went well."""


class Breaker:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended: deque[tuple[float, bool]] = deque()
        """When a call ended, and whether it failed as calls to a vendor that is down do."""
        self._opened: float | None = None
        self._probing: float | None = None

    def refuses(self) -> bool:
        """Whether a call is not worth its time. After a while the first who asks may call, and has to tell."""
        now = self._clock.monotonic()
        if self._opened is None:
            return False
        if now - self._opened < OPEN_SECONDS or (self._probing is not None and now - self._probing < OPEN_SECONDS):
            return True
        self._probing = now
        return False

    def went_well(self) -> None:
        if self._opened is not None:
            self._ended.clear()
        self._opened = self._probing = None
        self._count(has_failed=False)

    def failed(self, *, is_unreachable: bool) -> None:
        """`is_unreachable`: its address leads nowhere, which needs no second opinion."""
        self._count(has_failed=True)
        failures = sum(has_failed for _, has_failed in self._ended)
        is_down = len(self._ended) >= LEAST_CALLS and failures * 2 >= len(self._ended)
        is_open = self._opened is not None
        if self._probing is not None or (not is_open and (is_unreachable or is_down)):
            self._opened, self._probing = self._clock.monotonic(), None

    def _count(self, *, has_failed: bool) -> None:
        now = self._clock.monotonic()
        self._ended.append((now, has_failed))
        while self._ended and now - self._ended[0][0] > WINDOW_SECONDS:
            self._ended.popleft()


class Breakers:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}

    def of(self, name: str) -> Breaker:
        return self._breakers.setdefault(name, Breaker(self._clock))
