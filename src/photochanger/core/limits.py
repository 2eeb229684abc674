"""Fixed limits. What an administrator may change is a setting (`features/settings`), not here."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

PART_BYTES = 8 * MIB
"""A store's part; a photo larger than this is never whole in the server's memory."""

BODY_BYTES = 64 * KIB
"""Every request body but an upload."""

TEXT_PARTS = 64
TEXT_PART_BYTES = 8 * KIB
TEXT_TOTAL_BYTES = 64 * KIB
"""Text parts of one upload: how many, how large each, how large together."""

UPLOAD_CAP_BYTES = 2 * GIB
"""No slot may accept a larger file."""

PIXELS = 100_000_000
SIDE_PIXELS = 32_768
"""A larger picture is refused from its header, before anything decodes it."""

REMOTE_PIXELS = 3_000_000
LOCAL_PIXELS = 12_000_000
"""What a photo is scaled down to before a provider gets it: over the network, and on this machine."""

JSON_DEPTH = 32
QUERY_SPAN_DAYS = 30
