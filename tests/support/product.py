"""The whole product in one process, driven over ASGI: what most behaviours are tested with."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from photochanger.adapters.db.migrate import migrate
from photochanger.adapters.imaging.imaging import Imaging
from photochanger.adapters.providers.driver import Driver
from photochanger.adapters.storage.s3 import S3Store
from photochanger.adapters.storage.store import ObjectStore
from photochanger.app import serve_parts
from photochanger.assembly import Parts
from photochanger.assets import assets
from photochanger.config import load_config
from photochanger.features.audit.schemas import Actor
from tests.support.clock import FakeClock
from tests.support.database import databases
from tests.support.s3 import leftovers, place_of, stands
from tests.support.streams import read_all

SLOT_PASSWORD = "slot pass-wörd 1"
ADMIN_PASSWORD = "admin pass-wörd 1"
BASE_URL = "http://localhost:8000"


class Product:
    def __init__(
        self, app: Litestar, parts: Parts, client: httpx.AsyncClient, clock: FakeClock, data_dir: Path
    ) -> None:
        self.app = app
        self.parts = parts
        self.client = client
        self.clock = clock
        self.data_dir = data_dir
        self.admin: dict[str, str] = {}

    async def sign_in(self) -> None:
        """Again after 12 hours: tokens end."""
        login = await self.client.post("/api/login", json={"username": "boss", "password": ADMIN_PASSWORD})
        self.admin = {"Authorization": f"Bearer {login.json()['access_token']}"}

    async def send(
        self,
        photo: bytes,
        *,
        slot: str = "slot-001",
        fields: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        password: str | None = SLOT_PASSWORD,
    ) -> httpx.Response:
        """As a booth does; text parts come before the file."""
        texts = ({"password": password} if password is not None else {}) | (fields or {})
        return await self.client.post(
            f"/api/ingest/{slot}",
            data=texts,
            files={"fileToUpload": ("IMG_0003.JPG", photo, "image/jpeg")},
            headers=headers,
            params=params,
        )

    async def change_slot(self, slot: str = "slot-001", **members: Any) -> dict[str, Any]:
        current = (await self.client.get(f"/api/slots/{slot}", headers=self.admin)).json()
        body = {"version": current["version"], **members}
        answer = await self.client.put(f"/api/slots/{slot}", json=body, headers=self.admin)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    async def change_settings(self, **members: Any) -> None:
        current = (await self.client.get("/api/settings", headers=self.admin)).json()
        body = {"version": current["version"], **members}
        answer = await self.client.put("/api/settings", json=body, headers=self.admin)
        assert answer.status_code == 200, answer.text

    async def job(self, job_id: str) -> dict[str, Any]:
        """As an administrator sees it."""
        found: dict[str, Any] = (await self.client.get(f"/api/jobs/{job_id}", headers=self.admin)).json()
        return found

    async def jobs(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.client.get("/api/jobs", headers=self.admin)).json()["items"]
        return items

    async def stored_files(self) -> list[str]:
        """Everything that lies in the store, unfinished uploads included."""
        if isinstance(self.parts.store, S3Store):
            return await leftovers(place_of(self.data_dir))
        root = self.data_dir / "media"
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    async def stored_bytes(self) -> int:
        return sum([len(await self.stored(name)) for name in await self.stored_files()])

    async def stored(self, name: str) -> bytes:
        async with self.parts.store.get(name) as chunks:
            return await read_all(chunks)


class SharedImaging(Imaging):
    """One pool for every product of a test run: its workers take a second to start."""

    async def start(self) -> None:
        if not self._scratch.exists():
            await super().start()

    async def close(self) -> None:
        pass

    async def really_close(self) -> None:
        await super().close()


@asynccontextmanager
async def running_product(
    data_dir: Path,
    imaging: Imaging,
    *,
    environ: dict[str, str] | None = None,
    store: ObjectStore | None = None,
    providers: Iterable[Driver] | None = None,
    clock: FakeClock | None = None,
    peer: str = "127.0.0.1",
) -> AsyncIterator[Product]:
    """Migrated, `slot-001` with a password, an administrator signed in."""
    clock = clock or FakeClock()
    url = await databases.url(data_dir / "photochanger.db")
    given = {"PHOTOCHANGER_DATA_DIR": str(data_dir), "DATABASE_URL": url}
    if stands.on_s3:
        given |= place_of(data_dir).environ
    given |= environ or {}
    config = load_config(given, env_file=None)
    parts = Parts(config, store=store, providers=providers, clock=clock, imaging=imaging)
    await migrate(parts.database.engine, assets("migrations"))
    app = serve_parts(parts)
    transport = httpx.ASGITransport(app=app, client=(peer, 50_000), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        product = Product(app, parts, client, clock, data_dir)
        if not await parts.accounts.has_any_account():
            await parts.accounts.create("boss", ADMIN_PASSWORD, "admin", Actor.command_line())
            await parts.slots.set_password("slot-001", SLOT_PASSWORD, Actor.command_line())
        await product.sign_in()
        yield product
