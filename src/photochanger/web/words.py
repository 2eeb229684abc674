"""Times and numbers as a person says them, for templates. English; the exact value belongs beside them."""

from datetime import UTC, datetime, timedelta

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def number(value: float) -> str:
    """1234567 → "1,234,567"."""
    return f"{value:,}"


def exact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def in_words(span: timedelta) -> str:
    """The largest unit alone, rounded down: nobody is promised more time than there is."""
    seconds = int(abs(span).total_seconds())
    for unit, length in _UNITS:
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a minute"


def ago(moment: datetime, now: datetime) -> str:
    return f"in {in_words(moment - now)}" if moment > now else f"{in_words(now - moment)} ago"


def left(moment: datetime, now: datetime) -> str:
    return f"{in_words(moment - now)} left" if moment > now else "over"
