"""HTTP behind one protocol, blocking and with asyncio. The operations over it are coroutines; the blocking client runs them to
their end without an event loop, because its calls never suspend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx

from ._errors import Unreachable

T = TypeVar("T")
PIECE = 1 << 20
AGENT = {"user-agent": "framelift-python/0.1.0"}
TIMEOUT = httpx.Timeout(60.0, connect=15.0)
# A stream of events has a comment about every 15 seconds.
STREAM = httpx.Timeout(40.0, connect=15.0)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Put:
    """A part of a file, to a presigned URL."""

    url: str
    headers: dict[str, str]
    path: Path
    offset: int
    size: int

    def sent_headers(self) -> dict[str, str]:
        return self.headers | {"content-length": str(self.size)}

    def pieces(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            left = self.size
            while left > 0:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise OSError(f"{self.path} became shorter while it was uploaded")
                left -= len(piece)
                yield piece


class IO(Protocol):
    """Each method raises `Unreachable` if there is no answer, unless it says otherwise."""

    async def sleep(self, seconds: float) -> None: ...

    async def send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer: ...

    async def put(self, puts: list[Put]) -> list[int]:
        """Sends parts concurrently. Returns their statuses, 0 for one without an answer."""

    async def read(self, url: str, start: int, end: int, sink: Callable[[bytes], object]) -> int:
        """Reads an object's bytes from `start` to `end`, inclusive, into `sink`. Returns the status."""

    def lines(self, url: str, headers: dict[str, str]) -> AsyncGenerator[Answer | str, None]:
        """The lines of an answer as they arrive. An answer that is not a success comes instead of lines."""


def _no_answer(error: httpx.TransportError) -> Unreachable:
    return Unreachable(str(error) or type(error).__name__)


def _has_range(status: int, start: int) -> bool:
    return status == 206 or (status == 200 and start == 0)


class Blocking:
    """Blocks in each call, so that a coroutine over it never suspends."""

    def __init__(self) -> None:
        self.http = httpx.Client(timeout=TIMEOUT, headers=AGENT)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        try:
            answer = self.http.request(method, url, headers=headers, content=body)
        except httpx.TransportError as error:
            raise _no_answer(error) from error
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    async def put(self, puts: list[Put]) -> list[int]:
        with ThreadPoolExecutor(len(puts)) as pool:
            return list(pool.map(self._status, puts))

    def _status(self, put: Put) -> int:
        try:
            return self.http.put(put.url, headers=put.sent_headers(), content=put.pieces()).status_code
        except httpx.TransportError:
            return 0

    async def read(self, url: str, start: int, end: int, sink: Callable[[bytes], object]) -> int:
        try:
            with self.http.stream("GET", url, headers={"range": f"bytes={start}-{end}"}) as answer:
                if _has_range(answer.status_code, start):
                    for piece in answer.iter_raw():
                        sink(piece)
                return answer.status_code
        except httpx.TransportError as error:
            raise _no_answer(error) from error

    async def lines(self, url: str, headers: dict[str, str]) -> AsyncGenerator[Answer | str, None]:
        try:
            with self.http.stream("GET", url, headers=headers, timeout=STREAM) as answer:
                if not answer.is_success:
                    yield Answer(answer.status_code, dict(answer.headers), answer.read())
                    return
                for line in answer.iter_lines():
                    yield line
        except httpx.TransportError as error:
            raise _no_answer(error) from error


class Async:
    """The protocol for asyncio."""

    def __init__(self) -> None:
        self.http = httpx.AsyncClient(timeout=TIMEOUT, headers=AGENT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        try:
            answer = await self.http.request(method, url, headers=headers, content=body)
        except httpx.TransportError as error:
            raise _no_answer(error) from error
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    async def put(self, puts: list[Put]) -> list[int]:
        return await asyncio.gather(*map(self._status, puts))

    async def _status(self, put: Put) -> int:
        try:
            answer = await self.http.put(put.url, headers=put.sent_headers(), content=_by_threads(put.pieces()))
        except httpx.TransportError:
            return 0
        return answer.status_code

    async def read(self, url: str, start: int, end: int, sink: Callable[[bytes], object]) -> int:
        try:
            async with self.http.stream("GET", url, headers={"range": f"bytes={start}-{end}"}) as answer:
                if _has_range(answer.status_code, start):
                    async for piece in answer.aiter_raw():
                        sink(piece)
                return answer.status_code
        except httpx.TransportError as error:
            raise _no_answer(error) from error

    async def lines(self, url: str, headers: dict[str, str]) -> AsyncGenerator[Answer | str, None]:
        try:
            async with self.http.stream("GET", url, headers=headers, timeout=STREAM) as answer:
                if not answer.is_success:
                    yield Answer(answer.status_code, dict(answer.headers), await answer.aread())
                    return
                async for line in answer.aiter_lines():
                    yield line
        except httpx.TransportError as error:
            raise _no_answer(error) from error


async def _by_threads(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Reads each piece in a thread, so that the event loop does not wait for the disk."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine over `Blocking` to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise RuntimeError("it waits for an event loop")


def iterate(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterates over an asynchronous generator over `Blocking`."""

    async def after() -> T:
        return await anext(items)

    try:
        while True:
            try:
                item = run(after())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(_close(items))


async def _close(items: AsyncGenerator[T, None]) -> None:
    await items.aclose()
