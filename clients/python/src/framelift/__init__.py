"""A client of Framelift: send a video, get its frames."""

from ._client import AsyncClient, Client
from ._errors import DamagedResult, FrameliftError, ProcessingFailed, Refused, Unreachable
from ._frames import Frame
from ._steps import Event, UploadProgress
from .webhooks import InvalidSignature, verify

__all__ = [
    "AsyncClient",
    "Client",
    "DamagedResult",
    "Event",
    "Frame",
    "FrameliftError",
    "InvalidSignature",
    "ProcessingFailed",
    "Refused",
    "Unreachable",
    "UploadProgress",
    "verify",
]
