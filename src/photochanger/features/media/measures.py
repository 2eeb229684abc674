"""What is stored, for `/metrics`. Asked for at every scrape."""

from prometheus_client import CollectorRegistry, Gauge

from photochanger.adapters.db.session import Database
from photochanger.adapters.storage.store import ObjectStore
from photochanger.features.media.repository import MediaRepository


class MediaMeasures:
    def __init__(self, registry: CollectorRegistry, *, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store
        self._objects = Gauge("photochanger_media_objects", "Stored objects.", ("kind",), registry=registry)
        self._bytes = Gauge("photochanger_media_bytes", "Bytes of stored objects.", ("kind",), registry=registry)
        self._uploads = Gauge("photochanger_store_open_uploads", "Uploads begun and not ended.", registry=registry)

    async def refresh(self) -> None:
        async with self._database.read() as session:
            totals = await MediaRepository(session).totals()
        self._objects.clear()
        self._bytes.clear()
        for kind, objects, size_bytes in totals:
            self._objects.labels(kind).set(objects)
            self._bytes.labels(kind).set(size_bytes)
        self._uploads.set(len([upload async for upload in self._store.open_uploads()]))
