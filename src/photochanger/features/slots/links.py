"""The public addresses of a slot and of a job's result. `base` is what an absolute link begins with."""

from uuid import UUID

from photochanger.features.slots.schemas import ConfiguredSlot


def gallery_url(base: str, slot: ConfiguredSlot) -> str:
    """The address to share: with its key while access is `link`."""
    key = f"?k={slot.link_token}" if slot.config.gallery.access == "link" else ""
    return f"{base}/public/slots/{slot.slot_id}{key}"


def result_url(base: str, job_id: UUID, *, token: str | None = None) -> str:
    """With the photo's own token the link works whatever the gallery's access is."""
    return f"{base}/public/results/{job_id}" + (f"?t={token}" if token else "")
