"""How many of something go on just now, by name. Per process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Tally:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @contextmanager
    def counting(self, name: str) -> Iterator[None]:
        self._counts[name] += 1
        try:
            yield
        finally:
            self._counts[name] -= 1

    def count(self, name: str) -> int:
        return self._counts[name]
