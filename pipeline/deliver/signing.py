"""The signature: HMAC-SHA256 over the time and the body. Pure, and the whole of the protocol.

``Siluan-Signature: v1=HEX`` with ``HEX = HMAC-SHA256(secret, TIMESTAMP + "." + BODY)``, where
TIMESTAMP is the decimal text of ``Siluan-Timestamp`` (seconds since 1970, UTC) and BODY the bytes
as they travel (RFC 2104; FIPS 180-4).
"""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP = "Siluan-Timestamp"
SIGNATURE = "Siluan-Signature"
KEY = "Idempotency-Key"
WINDOW_S = 300  # a receiver refuses what is older: it may have been recorded and sent again


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """Give the value of the header."""
    digest = hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def verify(secret: bytes, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Tell whether a message is whole, is ours, and is of these five minutes."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > WINDOW_S:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body), signature)
