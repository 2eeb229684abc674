"""Sends photos to a server, as a booth would, and keeps the answers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

_SECONDS = 90
"""The longest window, and time to send and to receive."""
_EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png"}


async def send_files(
    files: Sequence[Path], *, slot: str, url: str, out: Path, password: str, echo: Callable[[str], object]
) -> int:
    """Writes each answer to `out` and says one line for each file. How many failed."""
    failed = 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
        for file in files:
            try:
                echo(await _send(session, file, f"{url.rstrip('/')}/api/ingest/{slot}", out, password))
            except (aiohttp.ClientError, TimeoutError, _Refused) as reason:
                failed += 1
                echo(f"{file.name}: {str(reason) or 'no answer in time'}")
    return failed


class _Refused(Exception):  # noqa: N818
    pass


async def _send(session: aiohttp.ClientSession, file: Path, address: str, out: Path, password: str) -> str:
    with file.open("rb") as photo:
        form = aiohttp.FormData({"password": password})
        form.add_field("fileToUpload", photo, filename="photo", content_type="application/octet-stream")
        async with session.post(address, data=form, headers={"Accept": "image/*"}) as answer:
            if answer.status != 200:  # noqa: PLR2004
                problem = await answer.json(content_type=None)
                raise _Refused(f"{answer.status} {problem['code']}: {problem['detail']}")
            body = await answer.read()
            target = out / f"{file.stem}-{answer.headers['X-Job-Id'][-8:]}{_EXTENSIONS[answer.content_type]}"
            target.write_bytes(body)
            return f"{file.name}: {answer.headers['X-Outcome']} → {target}  {answer.headers['X-Result-Url']}"
