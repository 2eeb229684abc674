"""What no log line may hold."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from tests.support import booth

MARK = "pass-wörd"
"""In every password the tests make up."""
_TOKENS = re.compile(r"eyJ[\w-]{8,}\.|[?&;](?:t|k|key|password)=(?!\[redacted\])|Bearer (?!\[redacted\])\S")
_ALWAYS = (MARK, json.dumps(MARK)[1:-1], quote(MARK), "setup.xml", *booth.PRIVATE_TEXTS)


def leaks(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """The lines of `text` that hold a password, a token, or a booth's PC or person name."""
    words = (*_ALWAYS, *secrets)
    return [line for line in text.splitlines() if _TOKENS.search(line) or any(word in line for word in words)]
