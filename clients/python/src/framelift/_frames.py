"""Reads frames without downloading the whole archive: its members are uncompressed, so each is a range."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ._errors import DamagedResult
from ._steps import Session, call, read, request, wait
from .types import FrameItem, FramePage, VideoResponse

TAIL = 64 << 10
BATCH = 4 << 20
LOCAL_HEADER = 30


@dataclass(frozen=True)
class Frame:
    """One image with its record from the manifest."""

    number: int
    """From 1."""
    file: str
    """Its name in the archive."""
    time: str
    """Its presentation time in seconds, exactly: `1001/30000`."""
    seconds: float
    """The same as a float."""
    width: int
    height: int
    keyframe: bool
    data: bytes
    """The image file."""


class _Window(io.RawIOBase):
    """A file of which only the end is in memory."""

    def __init__(self, size: int, start: int, data: bytes) -> None:
        self._size, self._start, self._data, self._at = size, start, data, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("before the start")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._at < self._start:
            raise _Earlier(self._at)
        begin = self._at - self._start
        piece = self._data[begin:] if size < 0 else self._data[begin : begin + size]
        self._at += len(piece)
        return piece


class _Earlier(Exception):
    def __init__(self, start: int) -> None:
        self.start = start


Time = str | float


def frames(
    session: Session, id: str, start: int, stop: int | None, at: Time | Iterable[Time] | None
) -> AsyncGenerator[Frame, None]:
    """All frames from the archive, some megabytes at a time, or a few of them one by one. Checks the arguments at once, not
    at the first frame."""
    if at is not None and (start != 1 or stop is not None):
        raise ValueError("give either at, or start and stop")
    if start < 1:
        raise ValueError("frames are numbered from 1")
    return _chosen(session, id, start, stop, at)


async def _chosen(
    session: Session, id: str, start: int, stop: int | None, at: Time | Iterable[Time] | None
) -> AsyncGenerator[Frame, None]:
    found = await wait(session, id)
    if at is not None:
        times = [at] if isinstance(at, str | float | int) else at
        for time in times:
            yield await _on_screen(session, found, time)
    elif start > 1 or stop is not None:
        async for frame in _from_to(session, found, start, stop):
            yield frame
    else:
        async for frame in _from_archive(session, found):
            yield frame


async def _on_screen(session: Session, video: VideoResponse, time: Time) -> Frame:
    path = f"/videos/{video['id']}/frames"
    answer = await request(session, "GET", f"{path}/at/{quote(str(time), safe='')}")
    number = answer.headers["content-location"].rpartition("/")[2]
    page: FramePage = await call(session, "GET", f"{path}?from={number}&limit=1")
    return _frame(video, page["items"][0], answer.body)


async def _from_to(
    session: Session, video: VideoResponse, start: int, stop: int | None
) -> AsyncGenerator[Frame, None]:
    while stop is None or start < stop:
        limit = 100 if stop is None else min(100, stop - start)
        page: FramePage = await call(session, "GET", f"/videos/{video['id']}/frames?from={start}&limit={limit}")
        for item in page["items"]:
            # The link needs no token.
            answer = await request(session, "GET", item["url"], anonymous=True)
            yield _frame(video, item, answer.body)
        start += len(page["items"])
        if page.get("next_cursor") is None:
            return


def _frame(video: VideoResponse, item: FrameItem, data: bytes) -> Frame:
    if len(data) != item["bytes"]:
        raise DamagedResult(f"frame {item['n']} is not as long as it was made")
    format = video["options"].get("format") or "jpeg"
    extension = "jpg" if format == "jpeg" else format
    return Frame(
        number=item["n"],
        file=f"frames/frame_{item['n']:06}.{extension}",
        time=item["time"],
        seconds=item["time_seconds"],
        width=item["width"],
        height=item["height"],
        keyframe=item["keyframe"],
        data=data,
    )


async def _from_archive(session: Session, found: VideoResponse) -> AsyncGenerator[Frame, None]:
    id = found["id"]
    result = found.get("result")
    assert result is not None, "a completed video has a result"
    size = result["size_bytes"]
    start = max(0, size - TAIL)
    while True:
        data = bytearray()
        await read(session, id, start, size - 1, data.extend)
        try:
            members = zipfile.ZipFile(_Window(size, start, bytes(data))).infolist()
            break
        except _Earlier as earlier:
            start = earlier.start
        except zipfile.BadZipFile as error:
            raise DamagedResult(str(error)) from error
    members.sort(key=lambda member: member.header_offset)
    # `zipfile` does not say where the directory begins, but no member extends beyond it.
    ends = [member.header_offset for member in members[1:]] + [size]
    spans = {m.filename: (m.header_offset, min(end, m.header_offset + m.file_size + (1 << 16)), m.file_size) for m, end in zip(members, ends)}
    if "manifest.json" not in spans:
        raise DamagedResult("the archive has no manifest")
    first, last, length = spans["manifest.json"]
    data = bytearray()
    await read(session, id, first, last - 1, data.extend)
    listed = json.loads(_content(data, 0, length))["frames"]
    at = 0
    while at < len(listed):
        first, last, _ = _span(spans, listed[at])
        batch = [listed[at]]
        for record in listed[at + 1 :]:
            begin, end, _ = _span(spans, record)
            if begin != last or end - first > BATCH:
                break
            batch.append(record)
            last = end
        data = bytearray()
        await read(session, id, first, last - 1, data.extend)
        for number, record in enumerate(batch, at + 1):
            begin, _, length = _span(spans, record)
            image = _content(data, begin - first, length)
            if hashlib.sha256(image).hexdigest() != record["sha256"]:
                raise DamagedResult(f"{record['file']} is not what was made")
            yield Frame(
                number=number,
                file=record["file"],
                time=record["time"],
                seconds=record["time_seconds"],
                width=record["width"],
                height=record["height"],
                keyframe=record["keyframe"],
                data=image,
            )
        at += len(batch)


def _span(spans: dict[str, tuple[int, int, int]], record: dict[str, Any]) -> tuple[int, int, int]:
    try:
        return spans[record["file"]]
    except KeyError:
        raise DamagedResult(f"{record['file']} is not in the archive") from None


def _content(data: bytearray, offset: int, length: int) -> bytes:
    """A member's bytes, which follow its local header."""
    header = data[offset : offset + LOCAL_HEADER]
    if header[:4] != b"PK\x03\x04":
        raise DamagedResult("a member is not where the archive says")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    begin = offset + LOCAL_HEADER + names
    content = bytes(data[begin : begin + length])
    if len(content) != length:
        raise DamagedResult("a member is cut off")
    return content
