"""Looks at everything the product stands on and says, for each, what to do. Changes nothing that stays."""

import shutil
import stat
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from photochanger.adapters.db.migrate import is_current
from photochanger.adapters.db.session import Database, DatabaseUnavailable
from photochanger.adapters.storage.store import ObjectStore, StorageUnavailable
from photochanger.assets import assets
from photochanger.core.clock import Clock
from photochanger.core.limits import GIB, MIB
from photochanger.features.clock.service import ADVICE, ClockWatch, sentence
from photochanger.features.maintenance.repository import database_time

SKEW_MS = 500
_LITTLE_DISK = 2 * GIB
_S3_ADVICE = "`photochanger storage check` looks closer."


class Finding(Struct, frozen=True):
    name: str
    ok: bool
    says: str
    advice: str = ""


class Doctor:
    def __init__(
        self,
        *,
        database: Database,
        store: ObjectStore,
        clock: Clock,
        clock_watch: ClockWatch,
        data_dir: Path,
        public_base_url: str | None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._clock_watch = clock_watch
        self._data_dir = data_dir
        self._public_base_url = public_base_url

    async def examine(self) -> list[Finding]:
        return [
            await self._check_database(),
            await self._check_clock(),
            await self._check_store(),
            self._check_secrets(),
            self._check_disk(),
            self._check_address(),
        ]

    async def _check_database(self) -> Finding:
        try:
            async with self._database.read() as session:
                await database_time(session)
        except DatabaseUnavailable as problem:
            advice = "Check DATABASE_URL, and that this user may write the file and its folder."
            return Finding("database", ok=False, says=problem.reason, advice=advice)
        engine = self._database.engine
        if engine.dialect.name != "sqlite" and not await is_current(engine, assets("migrations")):
            advice = "Run `photochanger migrate`."
            return Finding("database", ok=False, says="its schema is not the one of this version", advice=advice)
        return Finding("database", ok=True, says="answers")

    async def _check_clock(self) -> Finding:
        """Expiry compares this machine's clock with times in the database."""
        try:
            skew = await self.clock_skew_ms()
            moved = await self._clock_watch.moved()
        except DatabaseUnavailable:
            return Finding("clock", ok=False, says="cannot be compared without the database")
        if moved is not None:
            return Finding("clock", ok=False, says=sentence(moved), advice=ADVICE)
        if abs(skew) > SKEW_MS:
            advice = "Switch on time synchronisation (NTP) here and on the database's machine."
            return Finding("clock", ok=False, says=f"differs from the database's by {skew} ms", advice=advice)
        return Finding("clock", ok=True, says=f"differs from the database's by {skew} ms")

    async def clock_skew_ms(self) -> int:
        before = self._clock.now()
        async with self._database.read() as session:
            theirs = await database_time(session)
        middle = before + (self._clock.now() - before) / 2
        return round((theirs - middle).total_seconds() * 1000)

    async def _check_store(self) -> Finding:
        try:
            await self._store.check()
        except StorageUnavailable as problem:
            advice = _S3_ADVICE if self._store.name == "s3" else "Check the data directory's owner and free space."
            return Finding("store", ok=False, says=problem.reason, advice=advice)
        return Finding("store", ok=True, says=f"{self._store.name}: writes, reads and deletes")

    def _check_secrets(self) -> Finding:
        if not stat.S_IMODE(self._data_dir.stat().st_mode) & 0o077:
            return Finding("secrets", ok=True, says="are this user's alone")
        files = [*(self._data_dir / "secrets").glob("*"), *self._data_dir.glob("*.db*")]
        open_to_others = [path.name for path in sorted(files) if stat.S_IMODE(path.stat().st_mode) & 0o077]
        if open_to_others:
            says = "others may read " + ", ".join(open_to_others)
            advice = f"chmod -R go= {self._data_dir}, and replace what leaked."
            return Finding("secrets", ok=False, says=says, advice=advice)
        return Finding("secrets", ok=True, says="are this user's alone")

    def _check_disk(self) -> Finding:
        free = shutil.disk_usage(self._data_dir).free
        says = f"{free // MIB:,} MiB free in {self._data_dir}"
        if free < _LITTLE_DISK:
            return Finding("disk", ok=False, says=says, advice="Free some space, or shorten result_ttl_hours.")
        return Finding("disk", ok=True, says=says)

    def _check_address(self) -> Finding:
        if self._public_base_url is None:
            says = "PUBLIC_BASE_URL is not set: links use the address of each request"
            return Finding("public address", ok=True, says=says)
        host = urlsplit(self._public_base_url).hostname or ""
        if host == "localhost" or host.startswith("127.") or host == "::1":
            advice = "Set PUBLIC_BASE_URL to an address that guests' phones reach."
            return Finding("public address", ok=False, says=f"{host} leads back to this machine", advice=advice)
        return Finding("public address", ok=True, says=self._public_base_url)
