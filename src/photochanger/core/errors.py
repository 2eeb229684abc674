"""What can go wrong, in words a caller may see. The HTTP answer is made of it in `web/problems.py`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class ProblemType(NamedTuple):
    status: int
    title: str
    detail: str
    """What to do, where whoever raises the problem has nothing better to say."""


PROBLEMS = MappingProxyType(
    {
        "malformed-json": ProblemType(400, "The JSON is malformed", "Send one JSON document in UTF-8."),
        "malformed-upload": ProblemType(
            400, "The upload is malformed", "Send multipart/form-data with one file part named fileToUpload."
        ),
        "idempotency-key-invalid": ProblemType(
            400, "The Idempotency-Key is invalid", "Send it once, with 1 to 255 visible ASCII characters."
        ),
        "invalid-host": ProblemType(400, "The Host is invalid", "Use the address the server printed at its start."),
        "bad-request": ProblemType(400, "The request is malformed", "Check the request line and the headers."),
        "login-required": ProblemType(401, "Sign in first", "Send a bearer token from POST /api/login."),
        "credentials-invalid": ProblemType(401, "Wrong name or password", "Check both and try again."),
        "slot-credentials-invalid": ProblemType(
            401,
            "The slot's password is missing or wrong",
            "Send it as the text part `password` before the file, as X-Slot-Password, or as `key` in the address.",
        ),
        "pin-required": ProblemType(401, "This gallery asks for a PIN", "Enter the gallery's PIN."),
        "forbidden": ProblemType(403, "Not allowed", "Ask an administrator."),
        "csrf-failed": ProblemType(403, "The form is out of date", "Reload the page and send it again."),
        "not-found": ProblemType(404, "Not found", "Check the address."),
        "slot-not-found": ProblemType(404, "No such slot", "Check the slot in the address, for example slot-001."),
        "slot-disabled": ProblemType(404, "The slot is switched off", "Switch it on, or use another slot."),
        "job-not-found": ProblemType(404, "No such job", "It is unknown, or its time is over."),
        "result-not-found": ProblemType(404, "No such photo", "Check the address."),
        "gallery-not-found": ProblemType(404, "No such gallery", "Check the address."),
        "method-not-allowed": ProblemType(405, "Method not allowed", "Use one of the methods in the Allow header."),
        "upload-timeout": ProblemType(
            408,
            "The upload took too long",
            "Send a smaller photo, use a faster line, or give the slot a longer window.",
        ),
        "upload-too-slow": ProblemType(408, "The upload is too slow", "Check the line and send the photo again."),
        "stale-version": ProblemType(409, "Somebody else changed this", "Load it again and repeat your change."),
        "version-not-found": ProblemType(404, "No such version", "The slot's list of versions says which there are."),
        "slot-limit-reached": ProblemType(409, "No more slots", "Raise max_slots in the settings, or reuse a slot."),
        "source-gone": ProblemType(
            409, "The photo that was sent is gone", "It is kept for source_ttl_hours; send the photo again."
        ),
        "slot-exists": ProblemType(409, "There is such a slot already", "Choose another slot_id."),
        "clock-moved": ProblemType(
            409,
            "The clock has moved",
            "Nothing expired is deleted until an administrator confirms the clock, or it is set right.",
        ),
        "result-expired": ProblemType(410, "The photo has been deleted", "Photos are deleted when their time is over."),
        "result-removed": ProblemType(410, "The photo has been removed", "Ask the host of the gallery."),
        "body-too-large": ProblemType(413, "The body is too large", "Send at most 64 KiB."),
        "upload-too-large": ProblemType(413, "The photo is too large", "Send a smaller photo."),
        "unsupported-image": ProblemType(415, "Not an accepted image", "Send JPEG, PNG, WebP or HEIC."),
        "unsupported-media-type": ProblemType(
            415, "Unsupported media type", "Send the content type this address expects."
        ),
        "range-not-satisfiable": ProblemType(416, "No such range", "Ask for bytes the photo has."),
        "expectation-failed": ProblemType(417, "Unknown expectation", "Only 100-continue is understood."),
        "image-unreadable": ProblemType(
            422, "The image could not be read", "It is damaged or cut short; send it again."
        ),
        "image-too-many-pixels": ProblemType(
            422, "The image has too many pixels", "At most 100 megapixels, and 32,768 pixels a side."
        ),
        "idempotency-key-reused": ProblemType(
            422, "The Idempotency-Key belongs to another photo", "Use a new key for each photo."
        ),
        "provider-rejected": ProblemType(422, "The provider refused the photo", "Try another photo or another prompt."),
        "validation-failed": ProblemType(422, "Some values are wrong", "See errors."),
        "login-locked": ProblemType(429, "Too many wrong passwords", "Wait, then try again."),
        "pin-locked": ProblemType(429, "Too many wrong PINs", "Wait, then try again."),
        "rate-limited": ProblemType(429, "Too many requests", "Wait, then try again."),
        "slot-busy": ProblemType(429, "The slot is busy", "Wait, then send the photo again."),
        "provider-busy": ProblemType(429, "The provider is busy", "Wait, then send the photo again."),
        "interrupted": ProblemType(503, "The server was stopped meanwhile", "Send the photo again."),
        "internal": ProblemType(500, "Something went wrong", "Try again; if it stays, give the request id to support."),
        "provider-failed": ProblemType(502, "The provider failed", "Send the photo again, or add a darkroom step."),
        "draining": ProblemType(503, "The server is stopping", "Try again in a few seconds."),
        "storage-unavailable": ProblemType(503, "The store cannot be reached", "Try again in a few seconds."),
        "database-unavailable": ProblemType(503, "The database cannot be reached", "Try again in a few seconds."),
        "provider-timeout": ProblemType(
            504, "The provider took too long", "Send the photo again, or lengthen the window."
        ),
    }
)


class Problem(Exception):  # noqa: N818 – the field's name for it (RFC 9457)
    """An answer that is not the one asked for.

    `code` is a key of PROBLEMS, `detail` is safe to show and says what to do, `members` go into the problem document,
    `retry_after` (seconds) becomes the header, `headers` are added to the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        kind = PROBLEMS[code]
        self.code = code
        self.status = kind.status
        self.title = kind.title
        self.detail = detail or kind.detail
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(f"{code}: {self.detail}")
