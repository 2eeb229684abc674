"""How log lines look and where they go: one stream, one format, for structlog and every library's logger alike.

Nothing is logged from here, and no line leaves without `_hide_secrets`.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from photochanger.web.redact import HIDDEN, is_secret_name, redact

_CHATTY = (
    "PIL",
    "aiobotocore",
    "aiohttp",
    "aiosqlite",
    "alembic",
    "asyncio",
    "botocore",
    "httpcore",
    "httpx",
    "pyvips",
    "sqlalchemy",
    "urllib3",
    "uvicorn",
)
_OWN_KEYS = frozenset({"event", "level", "logger", "timestamp"})


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    layout: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Sends every logger of this process to `stream` (standard error). May be called again."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # As text, so that the next one sees it, and without the values of local variables.
                structlog.processors.format_exc_info,
                _hide_secrets,
                _renderer(layout, handler.stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # The access log is our own (`web/context.py`): this one prints queries.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def _renderer(layout: str, stream: TextIO) -> Processor:
    if layout == "json":
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: value if name in _OWN_KEYS - {"event"} else _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if is_secret_name(name):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))
