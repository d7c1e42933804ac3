"""The exceptions."""

from __future__ import annotations

from typing import Any

from .types import VideoResponse


class FrameliftError(Exception):
    """Any error of this package."""


class Unreachable(FrameliftError):
    """There was no answer, even after retries."""


class DamagedResult(FrameliftError):
    """The downloaded archive is damaged."""


class Refused(FrameliftError):
    """The API refused the call: a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", ""))
        self.correlation_id = str(problem.get("correlation_id", ""))
        self.errors: list[dict[str, str]] = problem.get("errors", [])
        wrong = "".join(f"; {error.get('pointer')}: {error.get('detail')}" for error in self.errors)
        super().__init__(f"{self.code}: {self.detail}{wrong}")


class ProcessingFailed(FrameliftError):
    """The video ended without a result."""

    def __init__(self, video: VideoResponse) -> None:
        self.video = video
        failure = video.get("failure")
        self.code = failure["code"] if failure else video["status"]
        super().__init__(f"{self.code}: {failure['message']}" if failure else f"the video is {self.code}")
