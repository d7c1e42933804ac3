"""The clients: `Client` blocks, `AsyncClient` does not. Both run the operations in `_steps` and `_frames`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import _frames, _steps
from ._frames import Frame, Time
from ._io import Async, Blocking, iterate, run
from ._steps import Event, Session, UploadProgress
from .types import OptionsBody, Status, VideoResponse

Video = str | VideoResponse


def _id(video: Video) -> str:
    return video if isinstance(video, str) else video["id"]


class Client:
    """Framelift at `url`. `token` is an access token; `login` gets one and renews it as needed."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._io = Blocking()
        self._session = Session(url.rstrip("/"), self._io, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._io.http.close()

    def login(self, email: str, password: str) -> None:
        run(_steps.login(self._session, email, password))

    def upload(
        self,
        path: str | os.PathLike[str],
        *,
        options: OptionsBody | None = None,
        key: str | None = None,
        progress: UploadProgress | None = None,
    ) -> VideoResponse:
        """Uploads a video. A `key` of yours (up to 54 characters) lets the same call resume after this process has
        ended, for 24 hours: parts that have arrived are not sent again, and only one video is created. `progress` is
        called with the bytes that have arrived and the file's size."""
        return run(_steps.upload(self._session, Path(path), options, key, progress))

    def video(self, video: Video) -> VideoResponse:
        return run(_steps.video(self._session, _id(video)))

    def videos(self, status: Status | None = None) -> Iterator[VideoResponse]:
        """All videos, newest first."""
        return iterate(_steps.videos(self._session, status))

    def watch(self, video: Video) -> Iterator[VideoResponse]:
        """The video now, and again after each change, until it has ended."""
        return iterate(_steps.watch(self._session, _id(video)))

    def events(self) -> Iterator[Event]:
        """The changes of all your videos: first the unfinished ones as they are now, then each change. It never ends."""
        return iterate(_steps.events(self._session))

    def wait(self, video: Video) -> VideoResponse:
        """Waits until the frames are ready; raises `ProcessingFailed` if there will be none."""
        return run(_steps.wait(self._session, _id(video)))

    def download(self, video: Video, path: str | os.PathLike[str] = ".") -> Path:
        """Waits, and writes the archive to a file or into an existing folder. Returns the file's path."""
        return run(_steps.download(self._session, _id(video), Path(path)))

    def frames(
        self, video: Video, *, start: int = 1, stop: int | None = None, at: Time | Iterable[Time] | None = None
    ) -> Iterator[Frame]:
        """Waits, and yields the frames one after the other, without downloading the whole archive. `start` and `stop`
        are numbers, from 1, the latter not included; `at` are times: "12.5s", or seconds. All frames are read from the
        archive, a few by a request each."""
        return iterate(_frames.frames(self._session, _id(video), start, stop, at))

    def run(self, video: Video, options: OptionsBody, *, key: str | None = None) -> VideoResponse:
        """Processes the same upload again. Returns the new video. A `key` of yours lets you repeat a call whose answer
        was lost: it creates one video only."""
        return run(_steps.start_run(self._session, _id(video), options, key))

    def cancel(self, video: Video) -> None:
        self.request("POST", f"/videos/{_id(video)}/cancel")

    def delete(self, video: Video) -> None:
        self.request("DELETE", f"/videos/{_id(video)}")

    def request(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Any:
        """Makes any call of the API, with `key` as its idempotency key. Returns the JSON of the answer."""
        return run(_steps.call(self._session, method, path, body, key))


class AsyncClient:
    """`Client` for asyncio."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._io = Async()
        self._session = Session(url.rstrip("/"), self._io, token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._io.http.aclose()

    async def login(self, email: str, password: str) -> None:
        await _steps.login(self._session, email, password)

    async def upload(
        self,
        path: str | os.PathLike[str],
        *,
        options: OptionsBody | None = None,
        key: str | None = None,
        progress: UploadProgress | None = None,
    ) -> VideoResponse:
        """Uploads a video. A `key` of yours (up to 54 characters) lets the same call resume after this process has
        ended, for 24 hours: parts that have arrived are not sent again, and only one video is created. `progress` is
        called with the bytes that have arrived and the file's size."""
        return await _steps.upload(self._session, Path(path), options, key, progress)

    async def video(self, video: Video) -> VideoResponse:
        return await _steps.video(self._session, _id(video))

    def videos(self, status: Status | None = None) -> AsyncIterator[VideoResponse]:
        """All videos, newest first."""
        return _steps.videos(self._session, status)

    def watch(self, video: Video) -> AsyncIterator[VideoResponse]:
        """The video now, and again after each change, until it has ended."""
        return _steps.watch(self._session, _id(video))

    def events(self) -> AsyncIterator[Event]:
        """The changes of all your videos: first the unfinished ones as they are now, then each change. It never ends."""
        return _steps.events(self._session)

    async def wait(self, video: Video) -> VideoResponse:
        """Waits until the frames are ready; raises `ProcessingFailed` if there will be none."""
        return await _steps.wait(self._session, _id(video))

    async def download(self, video: Video, path: str | os.PathLike[str] = ".") -> Path:
        """Waits, and writes the archive to a file or into an existing folder. Returns the file's path."""
        return await _steps.download(self._session, _id(video), Path(path))

    def frames(
        self, video: Video, *, start: int = 1, stop: int | None = None, at: Time | Iterable[Time] | None = None
    ) -> AsyncIterator[Frame]:
        """Waits, and yields the frames one after the other, without downloading the whole archive. `start` and `stop`
        are numbers, from 1, the latter not included; `at` are times: "12.5s", or seconds. All frames are read from the
        archive, a few by a request each."""
        return _frames.frames(self._session, _id(video), start, stop, at)

    async def run(self, video: Video, options: OptionsBody, *, key: str | None = None) -> VideoResponse:
        """Processes the same upload again. Returns the new video. A `key` of yours lets you repeat a call whose answer
        was lost: it creates one video only."""
        return await _steps.start_run(self._session, _id(video), options, key)

    async def cancel(self, video: Video) -> None:
        await self.request("POST", f"/videos/{_id(video)}/cancel")

    async def delete(self, video: Video) -> None:
        await self.request("DELETE", f"/videos/{_id(video)}")

    async def request(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Any:
        """Makes any call of the API, with `key` as its idempotency key. Returns the JSON of the answer."""
        return await _steps.call(self._session, method, path, body, key)
