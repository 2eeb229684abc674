"""A bucket seen by whoever sets it up: what `photochanger storage check` and `storage init` do to an S3 server."""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from io import BytesIO
from typing import Any

import aiohttp

from photochanger.adapters.storage.examination import Examination, StepFailed, Work
from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.s3_errors import MISSING, S3Failed
from photochanger.core.clock import Clock
from photochanger.core.limits import KIB, PART_BYTES

SKEW_SECONDS = 60
LINK_LIFE = timedelta(seconds=60)
_ABANDONED = "photochanger-abandoned-uploads"
_FOR_GALLERIES = "photochanger-galleries"
_NONE_YET = frozenset({"NoSuchLifecycleConfiguration", "NoSuchCORSConfiguration", *MISSING})
_INIT = "Run `photochanger storage init`, or set it up in the store's own administration."
_LINKS = "Check S3_PRESIGN_ENDPOINT: it must be the address under which guests reach the store."


class S3Examination(Examination):
    advice = "See the store's log."

    def __init__(self, store: S3Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.s3 = store

    def steps(self) -> dict[str, Work]:
        steps = super().steps()
        delete = steps.pop("delete")
        own: dict[str, Work] = {"presign": self.presign, "checksum": self.checksum, "multipart": self.multipart}
        last: dict[str, Work] = {"clock": self.skew, "lifecycle": self.lifecycle}
        return {**steps, **own, "abort": self.abort, "delete": delete, **last}

    async def presign(self) -> str:
        now = self.clock.now()
        link = await self.s3.presign(self.key, expires_at=now + LINK_LIFE, now=now)
        if await _fetch(link.partition("?")[0]) is not None:
            advice = "Take public access from the bucket: its policy, its ACL, or the server's anonymous rights."
            raise StepFailed("anybody can read it without a signed link", advice)
        if await _fetch(link) != self.written:
            raise StepFailed("a signed link does not give the object", _LINKS)
        return "a signed link gives it, and without the signature nobody gets it"

    async def checksum(self) -> str:
        wrong = b64encode(sha256(b"other bytes").digest()).decode()
        name = self.s3.name_of(f"{self.key}.wrong")
        try:
            await self.s3.client.call("put_object", body=lambda: BytesIO(b"bytes"), Key=name, ChecksumSHA256=wrong)
        except S3Failed as failure:
            if not failure.is_refusal:
                raise
            return "bytes damaged on their way are refused"
        await self.s3.client.call("delete_object", Key=name)
        return "not compared by this server; with https, damaged bytes are noticed all the same"

    async def multipart(self) -> str:
        key = f"{self.key}.large"
        stored = await self.s3.put(key, _zeros(PART_BYTES + KIB), content_type="application/octet-stream")
        found = await self.s3.head(key)
        await self.s3.delete(key)
        if found is None or found.size_bytes != stored.size_bytes:
            raise StepFailed("an upload in parts did not become the object it should", self.advice)
        return f"{stored.size_bytes:,} bytes arrived in parts"

    async def abort(self) -> str:
        name = self.s3.name_of(f"{self.key}.open")
        await self.s3.client.call("create_multipart_upload", Key=name)
        mine = [found async for found in self.s3.open_uploads() if self.s3.name_of(found.key) == name]
        for found in mine:
            await self.s3.abort(found)
        left = [found async for found in self.s3.open_uploads() if self.s3.name_of(found.key) == name]
        if left or not mine:
            advice = "Let this access key list and abort multipart uploads, and see that the server supports both."
            raise StepFailed("an open upload cannot be found and ended", advice)
        return "an open upload is found and ended"

    async def skew(self) -> str:
        answer = await self.s3.client.call("head_bucket")
        told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        seconds = round((told - self.clock.now()).total_seconds())
        if abs(seconds) > SKEW_SECONDS:
            advice = "Switch on time synchronisation (NTP) here and on the store's machine."
            raise StepFailed(f"differs from the store's by {seconds} s", advice)
        return f"differs from the store's by {seconds} s"

    async def lifecycle(self) -> str:
        rules = await _rules(self.s3, "get_bucket_lifecycle_configuration", "Rules")
        if not any(rule.get("Status") == "Enabled" and "AbortIncompleteMultipartUpload" in rule for rule in rules):
            raise StepFailed("no rule ends abandoned uploads, which cost space", _INIT)
        return "a rule ends abandoned uploads"


async def prepare(store: S3Store, origin: str | None) -> AsyncIterator[str]:
    """Makes the bucket and its rules where they are missing; other rules of the bucket stay. One sentence a step."""
    yield await _make_bucket(store)
    rule = {
        "ID": _ABANDONED,
        "Status": "Enabled",
        "Filter": {"Prefix": store.settings.prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    kept = await _rules(store, "get_bucket_lifecycle_configuration", "Rules")
    rules = {"Rules": [*_others(kept, _ABANDONED), rule]}
    await store.client.call("put_bucket_lifecycle_configuration", LifecycleConfiguration=rules)
    yield "A rule ends uploads that were abandoned for a day."
    galleries = {
        "ID": _FOR_GALLERIES,
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedOrigins": [origin or "*"],
        "AllowedHeaders": ["Range"],
        "ExposeHeaders": ["Content-Range", "ETag"],
    }
    kept = await _rules(store, "get_bucket_cors", "CORSRules")
    cors = {"CORSRules": [*_others(kept, _FOR_GALLERIES), galleries]}
    await store.client.call("put_bucket_cors", CORSConfiguration=cors)
    yield f"Pages of {origin or 'any address'} may show objects they have a link to."


async def _make_bucket(store: S3Store) -> str:
    try:
        await store.client.call("head_bucket")
    except S3Failed as failure:
        if failure.server_code not in {*MISSING, "NoSuchBucket"}:
            raise
    else:
        return f"The bucket {store.settings.bucket} is there."
    elsewhere = store.settings.region not in {"us-east-1", ""}
    where: dict[str, Any] = (
        {"CreateBucketConfiguration": {"LocationConstraint": store.settings.region}} if elsewhere else {}
    )
    await store.client.call("create_bucket", **where)
    return f"The bucket {store.settings.bucket} was made."


async def _rules(store: S3Store, operation: str, member: str) -> list[dict[str, Any]]:
    try:
        return list((await store.client.call(operation)).get(member, []))
    except S3Failed as failure:
        if failure.server_code not in _NONE_YET:
            raise
        return []


def _others(rules: list[dict[str, Any]], own: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule.get("ID") != own]


async def _fetch(address: str) -> bytes | None:
    """As a stranger does; None when refused or not reached."""
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as answer:
            return await answer.read() if answer.ok else None
    except (aiohttp.ClientError, OSError):
        return None


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 64 * KIB):
        yield bytes(min(64 * KIB, size - start))
