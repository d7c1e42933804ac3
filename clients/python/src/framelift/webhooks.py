"""Checks that an event comes from Framelift: Standard Webhooks 1.0, HMAC-SHA256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE = 300
"""Seconds that an event may be old, or ahead of this machine's clock."""


class InvalidSignature(Exception):
    """The event is not from Framelift, or is a replay of an old one."""


def verify(secret: str, body: bytes | str, headers: Mapping[str, str], *, now: float | None = None) -> Any:
    """The event, if it is signed with `secret` (`whsec_…`). `body` is the unparsed body."""
    found = {name.lower(): value for name, value in headers.items()}
    try:
        id, sent, signatures = (found[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        when = int(sent)
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (KeyError, ValueError, binascii.Error) as error:
        raise InvalidSignature(f"the secret or a header is missing or malformed: {error}") from None
    if abs((time.time() if now is None else now) - when) > TOLERANCE:
        raise InvalidSignature("the event is more than five minutes old, or from the future")
    content = body.encode() if isinstance(body, str) else body
    digest = hmac.new(key, f"{id}.{sent}.".encode() + content, hashlib.sha256).digest()
    expected = base64.b64encode(digest)
    for signature in signatures.split():
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(expected, value.encode()):
            return json.loads(content)
    raise InvalidSignature("no signature of the event is good")
