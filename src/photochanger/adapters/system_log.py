"""The machine's own log, for what cron runs."""

import logging
import sys
from contextlib import closing
from logging.handlers import SysLogHandler

ADDRESS = "/dev/log"


def tell(text: str, level: int) -> str | None:
    """None when the system log took it, else a sentence that says why it did not."""
    told = {"levelno": level, "levelname": logging.getLevelName(level), "msg": f"photochanger: {text}"}
    try:
        with closing(_SystemLog(ADDRESS)) as handler:
            handler.emit(logging.makeLogRecord(told))
    except OSError as error:
        return f"The system log cannot be reached at {ADDRESS}: {error.strerror}"
    return None


class _SystemLog(SysLogHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 – the library's signature
        """Raises what happened, instead of printing a traceback."""
        error = sys.exc_info()[1]
        if error is not None:
            raise error
