"""The clients: `Client` blocks, `AsyncClient` does not. Both do the same steps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from . import _frames, _steps
from ._errors import FrameliftError, Unreachable
from ._frames import Frame
from ._steps import Answer, Http, Put, PutTogether, Read, Session, Sleep, Step, Steps
from .types import OptionsBody, Status, VideoResponse

T = TypeVar("T")
Video = str | VideoResponse
TIMEOUT = httpx.Timeout(60.0, connect=15.0)


def _id(video: Video) -> str:
    return video if isinstance(video, str) else video["id"]


def _headers(put: Put) -> dict[str, str]:
    return put.headers | {"content-length": str(put.size)}


class Client:
    """Framelift at `url`. `token` is an access token; `login` gets one and renews it as needed."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._session = Session(url.rstrip("/"), token)
        self._http = httpx.Client(timeout=TIMEOUT, headers={"user-agent": "framelift-python/0.1.0"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def login(self, email: str, password: str) -> None:
        self._run(_steps.login(self._session, email, password))

    def upload(
        self, path: str | os.PathLike[str], *, options: OptionsBody | None = None, key: str | None = None
    ) -> VideoResponse:
        """Uploads a video. A `key` of yours (up to 54 characters) lets the same call go on after this process has
        ended, for 24 hours: parts that have arrived are not sent again, and there is one video."""
        return self._run(_steps.upload(self._session, Path(path), options, key))

    def video(self, video: Video) -> VideoResponse:
        return self._run(_steps.video(self._session, _id(video)))

    def videos(self, status: Status | None = None) -> Iterator[VideoResponse]:
        """All videos, newest first."""
        cursor: str | None = None
        while True:
            page = self._run(_steps.page(self._session, status, cursor))
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def wait(self, video: Video) -> VideoResponse:
        """Waits until the frames are ready; raises `ProcessingFailed` if there will be none."""
        return self._run(_steps.wait(self._session, _id(video)))

    def download(self, video: Video, path: str | os.PathLike[str] = ".") -> Path:
        """Waits, and writes the archive to a file or into a folder that is there; gives the file."""
        return self._run(_steps.download(self._session, _id(video), Path(path)))

    def frames(self, video: Video) -> Iterator[Frame]:
        """Waits, and gives the frames one after the other, without downloading the archive whole."""
        return self._iterate(_frames.frames(self._session, _id(video)))

    def run(self, video: Video, options: OptionsBody) -> VideoResponse:
        """Processes the same upload once more; gives the new video."""
        accepted = self.request("POST", f"/videos/{_id(video)}/runs", {"options": options})
        return self.video(accepted["id"])

    def cancel(self, video: Video) -> None:
        self.request("POST", f"/videos/{_id(video)}/cancel")

    def delete(self, video: Video) -> None:
        self.request("DELETE", f"/videos/{_id(video)}")

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Any call of the API; gives the JSON that it answers."""
        return self._run(_steps.call(self._session, method, path, body))

    def _iterate(self, steps: Generator[Step | Frame, Any, None]) -> Iterator[Frame]:
        result: Any = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Frame):
                    yield step
                    step = steps.send(None)
                    continue
                try:
                    result = self._do(step)
                except FrameliftError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration:
            return

    def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    result = self._do(step)
                except FrameliftError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, step: Step) -> Any:
        try:
            match step:
                case Sleep(seconds):
                    time.sleep(seconds)
                    return None
                case Http(method, url, headers, body):
                    answer = self._http.request(method, url, headers=headers, content=body)
                    return Answer(answer.status_code, dict(answer.headers), answer.content)
                case Put():
                    content = _steps.slices(step.path, step.offset, step.size)
                    return self._http.put(step.url, headers=_headers(step), content=content).status_code
                case PutTogether(parts):
                    with ThreadPoolExecutor(len(parts)) as pool:
                        return list(pool.map(self._status, parts))
                case Read(url, start, end, sink):
                    with self._http.stream("GET", url, headers={"range": f"bytes={start}-{end}"}) as answer:
                        if answer.status_code == 206 or (answer.status_code == 200 and start == 0):
                            for piece in answer.iter_raw():
                                sink(piece)
                        return answer.status_code
        except httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error

    def _status(self, put: Put) -> int:
        try:
            return int(self._do(put))
        except Unreachable:
            return 0


class AsyncClient:
    """As `Client`, for asyncio."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._session = Session(url.rstrip("/"), token)
        self._http = httpx.AsyncClient(timeout=TIMEOUT, headers={"user-agent": "framelift-python/0.1.0"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def login(self, email: str, password: str) -> None:
        await self._run(_steps.login(self._session, email, password))

    async def upload(
        self, path: str | os.PathLike[str], *, options: OptionsBody | None = None, key: str | None = None
    ) -> VideoResponse:
        """As `Client.upload`."""
        return await self._run(_steps.upload(self._session, Path(path), options, key))

    async def video(self, video: Video) -> VideoResponse:
        return await self._run(_steps.video(self._session, _id(video)))

    async def videos(self, status: Status | None = None) -> AsyncIterator[VideoResponse]:
        """All videos, newest first."""
        cursor: str | None = None
        while True:
            page = await self._run(_steps.page(self._session, status, cursor))
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def wait(self, video: Video) -> VideoResponse:
        """Waits until the frames are ready; raises `ProcessingFailed` if there will be none."""
        return await self._run(_steps.wait(self._session, _id(video)))

    async def download(self, video: Video, path: str | os.PathLike[str] = ".") -> Path:
        """Waits, and writes the archive to a file or into a folder that is there; gives the file."""
        return await self._run(_steps.download(self._session, _id(video), Path(path)))

    async def frames(self, video: Video) -> AsyncIterator[Frame]:
        """Waits, and gives the frames one after the other, without downloading the archive whole."""
        steps = _frames.frames(self._session, _id(video))
        try:
            step = next(steps)
            while True:
                if isinstance(step, Frame):
                    yield step
                    step = steps.send(None)
                    continue
                try:
                    result = await self._do(step)
                except FrameliftError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration:
            return

    async def run(self, video: Video, options: OptionsBody) -> VideoResponse:
        """Processes the same upload once more; gives the new video."""
        accepted = await self.request("POST", f"/videos/{_id(video)}/runs", {"options": options})
        return await self.video(accepted["id"])

    async def cancel(self, video: Video) -> None:
        await self.request("POST", f"/videos/{_id(video)}/cancel")

    async def delete(self, video: Video) -> None:
        await self.request("DELETE", f"/videos/{_id(video)}")

    async def request(self, method: str, path: str, body: object = None) -> Any:
        """Any call of the API; gives the JSON that it answers."""
        return await self._run(_steps.call(self._session, method, path, body))

    async def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step)
                except FrameliftError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, step: Step) -> Any:
        try:
            match step:
                case Sleep(seconds):
                    await asyncio.sleep(seconds)
                    return None
                case Http(method, url, headers, body):
                    answer = await self._http.request(method, url, headers=headers, content=body)
                    return Answer(answer.status_code, dict(answer.headers), answer.content)
                case Put():
                    put = await self._http.put(step.url, headers=_headers(step), content=_pieces(step))
                    return put.status_code
                case PutTogether(parts):
                    return await asyncio.gather(*map(self._status, parts))
                case Read(url, start, end, sink):
                    async with self._http.stream("GET", url, headers={"range": f"bytes={start}-{end}"}) as answer:
                        if answer.status_code == 206 or (answer.status_code == 200 and start == 0):
                            async for piece in answer.aiter_raw():
                                sink(piece)
                        return answer.status_code
        except httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error

    async def _status(self, put: Put) -> int:
        try:
            return int(await self._do(put))
        except Unreachable:
            return 0


async def _pieces(put: Put) -> AsyncIterator[bytes]:
    """The bytes of a part, each piece read by a thread so that nothing else waits for the disk."""
    pieces = _steps.slices(put.path, put.offset, put.size)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
