"""The operations of both clients, the blocking and the asynchronous one, over an `IO`."""

from __future__ import annotations

import hashlib
import json
import os
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlencode

from ._errors import DamagedResult, ProcessingFailed, Refused, Unreachable
from ._io import IO, PIECE, Answer, Put
from .types import CreateVideoResponse, OptionsBody, Progress, Status, VideoPage, VideoResponse

# Called with the bytes that have arrived, and the bytes of the file.
UploadProgress = Callable[[int, int], object]

RETRY_DELAYS = (0.3, 1.0, 2.0, 5.0, 15.0)
CONCURRENT_PARTS = 4


@dataclass
class Session:
    """The API's URL, the IO, and the caller's tokens."""

    url: str
    io: IO
    token: str | None = None
    refresh_token: str | None = None


async def call(
    session: Session,
    method: str,
    path: str,
    body: object = None,
    key: str | None = None,
    anonymous: bool = False,
) -> Any:
    """Sends a request like `request`. Returns the JSON of the answer."""
    answer = await request(session, method, path, body, key, anonymous)
    return json.loads(answer.body) if answer.body else None


async def request(
    session: Session,
    method: str,
    path: str,
    body: object = None,
    key: str | None = None,
    anonymous: bool = False,
) -> Answer:
    """Sends a request, with retries if it may be repeated, and renews the token if it has expired."""
    repeatable = method in ("GET", "DELETE") or key is not None
    renewed, waits = False, iter(RETRY_DELAYS)
    while True:
        headers = {"accept": "application/json"}
        if session.token and not anonymous:
            headers["authorization"] = f"Bearer {session.token}"
        if key is not None:
            headers["idempotency-key"] = key
        sent = None
        if body is not None:
            headers["content-type"] = "application/json"
            sent = json.dumps(body).encode()
        wait: float | None = None
        try:
            answer = await session.io.send(method, session.url + path, headers, sent)
        except Unreachable:
            wait = next(waits, None)
            if not repeatable or wait is None:
                raise
        else:
            if 200 <= answer.status < 300:
                return answer
            refused = Refused(answer.status, problem(answer))
            if refused.code == "unauthenticated" and session.refresh_token and not renewed and not anonymous:
                await renew(session)
                renewed = True
                continue
            temporary = answer.status in (502, 503, 504) or refused.code in ("rate-limited", "idempotency-in-progress")
            wait = next(waits, None)
            if not repeatable or not temporary or wait is None:
                raise refused
            if answer.headers.get("retry-after", "").isdigit():
                wait = min(float(answer.headers["retry-after"]), 30.0)
        await session.io.sleep(wait)


def problem(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": f"status {answer.status}"}


async def renew(session: Session) -> None:
    body = {"refresh_token": session.refresh_token}
    store_tokens(session, await call(session, "POST", "/auth/refresh", body, anonymous=True))


def store_tokens(session: Session, tokens: dict[str, Any]) -> None:
    session.token, session.refresh_token = tokens["access_token"], tokens["refresh_token"]


async def login(session: Session, email: str, password: str) -> None:
    body = {"email": email, "password": password}
    store_tokens(session, await call(session, "POST", "/auth/login", body, anonymous=True))


async def video(session: Session, id: str) -> VideoResponse:
    return cast(VideoResponse, await call(session, "GET", f"/videos/{id}"))


async def page(session: Session, status: Status | None, cursor: str | None) -> VideoPage:
    query = {"limit": "100", "status": status, "cursor": cursor}
    encoded = urlencode({name: value for name, value in query.items() if value})
    return cast(VideoPage, await call(session, "GET", f"/videos?{encoded}"))


async def videos(session: Session, status: Status | None) -> AsyncGenerator[VideoResponse, None]:
    """All videos, newest first."""
    cursor: str | None = None
    while True:
        found = await page(session, status, cursor)
        for item in found["items"]:
            yield item
        cursor = found.get("next_cursor")
        if cursor is None:
            return


async def upload(
    session: Session, path: Path, options: OptionsBody | None, key: str | None, progress: UploadProgress | None
) -> VideoResponse:
    """Creates the video, sends the bytes that have not arrived, and completes the upload."""
    progress = progress or (lambda sent, total: None)
    key = key or str(uuid.uuid4())
    size = os.path.getsize(path)
    body = {"file_name": path.name, "size_bytes": size, **({"options": options} if options else {})}

    async def create() -> CreateVideoResponse:
        return cast(CreateVideoResponse, await call(session, "POST", "/videos", body, key))

    created = await create()
    id = created["id"]
    if created["status"] == "awaiting_upload":
        if created["upload"]["method"] == "PUT":
            await put_file(session, path, size, created, create)
            progress(size, size)
        else:
            await put_parts(session, id, path, size, progress)
    await call(session, "POST", f"/videos/{id}/complete", key=f"{key[:54]}-complete")
    return await video(session, id)


async def start_run(session: Session, id: str, options: OptionsBody, key: str | None) -> VideoResponse:
    """Processes an upload again. Returns the new video."""
    accepted = await call(session, "POST", f"/videos/{id}/runs", {"options": options}, key or str(uuid.uuid4()))
    return await video(session, accepted["id"])


async def put_file(
    session: Session,
    path: Path,
    size: int,
    created: CreateVideoResponse,
    create: Callable[[], Awaitable[CreateVideoResponse]],
) -> None:
    for wait in (*RETRY_DELAYS, None):
        target = created["upload"]
        assert target["method"] == "PUT"
        headers = {name: value for name, value in target["headers"].items() if name.lower() != "content-length"}
        [status] = await session.io.put([Put(target["url"], headers, path, 0, size)])
        if 200 <= status < 300:
            return
        await pause_or_raise(session, status, wait)
        created = await create()


async def put_parts(session: Session, id: str, path: Path, size: int, progress: UploadProgress) -> None:
    waits = iter(RETRY_DELAYS)
    while True:
        parts = await call(session, "GET", f"/videos/{id}/upload-parts")
        length = parts["part_size"]
        arrived = {part["number"]: part["size"] for part in parts["uploaded"]}
        sizes = {n: min(length, size - (n - 1) * length) for n in range(1, parts["part_count"] + 1)}
        missing = [n for n in sizes if arrived.get(n) != sizes[n]]
        sent = size - sum(sizes[n] for n in missing)
        progress(sent, size)
        if not missing:
            return
        urls = {part["number"]: part["url"] for part in parts["parts"]}
        if missing[0] not in urls:
            more = await call(session, "GET", f"/videos/{id}/upload-parts?from={missing[0]}")
            urls = {part["number"]: part["url"] for part in more["parts"]}
        failed = None
        todo = [n for n in missing if n in urls]
        for begin in range(0, len(todo), CONCURRENT_PARTS):
            puts = [Put(urls[n], {}, path, (n - 1) * length, sizes[n]) for n in todo[begin : begin + CONCURRENT_PARTS]]
            statuses = await session.io.put(puts)
            failed = next((status for status in statuses if not 200 <= status < 300), None)
            if failed is not None:
                break
            sent += sum(put.size for put in puts)
            progress(sent, size)
            waits = iter(RETRY_DELAYS)
        if failed is not None:
            # The next round fetches new URLs and the parts that have arrived.
            await pause_or_raise(session, failed, next(waits, None))


async def pause_or_raise(session: Session, status: int, wait: float | None) -> None:
    """Waits before the next attempt, or raises if there is none."""
    if status not in (0, 403, 429) and status < 500:
        raise Refused(status, {"code": "store-refused", "detail": f"the object store answered {status}"})
    if wait is None:
        raise Unreachable("the object store does not take the bytes")
    await session.io.sleep(wait)


@dataclass(frozen=True)
class Event:
    """A change of a video."""

    kind: Literal["status", "progress", "deleted"]
    id: str
    """The video's id."""
    video: VideoResponse | None = None
    """The whole record, if more than the progress has changed."""
    progress: Progress | None = None


async def follow(session: Session, path: str) -> AsyncGenerator[Event | None, None]:
    """The events of consecutive streams; `None` if one breaks off or cannot be opened."""
    last_id: str | None = None
    faults, renewed = 0, False
    while True:
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {session.token}"}
        if last_id is not None:
            headers["last-event-id"] = last_id
        fields: dict[str, str] = {}
        alive, fresh = False, False
        try:
            async with aclosing(session.io.lines(session.url + path, headers)) as lines:
                async for line in lines:
                    if isinstance(line, Answer):
                        refused = Refused(line.status, problem(line))
                        if refused.code == "unauthenticated" and session.refresh_token and not renewed:
                            await renew(session)
                            renewed = fresh = True
                            break
                        if refused.code != "not-found" and line.status != 429 and line.status < 500:
                            raise refused
                    elif line.startswith(":"):
                        alive, renewed = True, False
                    elif line:
                        name, _, value = line.partition(":")
                        fields[name] = value.removeprefix(" ")
                    else:
                        told, fields = fields, {}
                        last_id = told.get("id", last_id)
                        if "data" in told:
                            alive, renewed = True, False
                            found = event(told.get("event"), json.loads(told["data"]))
                            if found is not None:
                                yield found
        except Unreachable:
            pass
        if fresh:
            continue
        faults = 0 if alive else faults + 1
        if faults == 0:
            await session.io.sleep(2.0)
        else:
            yield None
            await session.io.sleep(min(2.0 ** (faults - 1), 30.0) * random.uniform(0.5, 1.0))


def event(kind: str | None, data: Any) -> Event | None:
    """Parses an event; None for a kind of a later version."""
    match kind:
        case "status":
            return Event(kind, data["id"], video=data, progress=data["progress"])
        case "progress":
            return Event(kind, data["id"], progress=data["progress"])
        case "deleted":
            return Event(kind, data["id"])
        case _:
            return None


async def events(session: Session) -> AsyncGenerator[Event, None]:
    """The changes of all videos of the caller, from now on."""
    faults = 0
    async with aclosing(follow(session, "/videos/events")) as found:
        async for event in found:
            faults = 0 if event is not None else faults + 1
            if faults > len(RETRY_DELAYS):
                raise Unreachable("the service sends no events")
            if event is not None:
                yield event


async def watch(session: Session, id: str) -> AsyncGenerator[VideoResponse, None]:
    """The video after each change, until it has ended. Polls if there is no stream of events."""
    last: VideoResponse | None = None
    async with aclosing(follow(session, f"/videos/{id}/events")) as found:
        async for event in found:
            if event is None or event.kind == "deleted":
                now = await video(session, id)
            elif event.video is not None:
                now = event.video
            elif last is not None and event.progress is not None:
                now = cast(VideoResponse, {**last, "progress": event.progress})
            else:
                continue
            if now != last:
                last = now
                yield now
            if now.get("completed_at"):
                return


async def wait(session: Session, id: str) -> VideoResponse:
    """Waits until the video has ended. Raises unless it was completed."""
    async with aclosing(watch(session, id)) as states:
        async for found in states:
            if found["status"] == "completed":
                return found
            if found.get("completed_at"):
                raise ProcessingFailed(found)
    raise Unreachable("the service does not say how the video ended")


async def read(session: Session, id: str, start: int, end: int, sink: Callable[[bytes], object]) -> None:
    """Reads a range of a video's archive. Resumes a broken connection."""
    waits = iter(RETRY_DELAYS)
    have = start

    def count(piece: bytes) -> None:
        nonlocal have
        sink(piece)
        have += len(piece)

    while have <= end:
        before = have
        place = await call(session, "GET", f"/videos/{id}/download")
        try:
            status = await session.io.read(place["url"], have, end, count)
        except Unreachable:
            status = 0
        if have > end:
            return
        if have > before:
            waits = iter(RETRY_DELAYS)
        await pause_or_raise(session, 503 if 200 <= status < 300 else status, next(waits, None))


async def download(session: Session, id: str, target: Path) -> Path:
    """Writes the archive to `target`, and checks it. Resumes an interrupted download."""
    found = await wait(session, id)
    result = found.get("result")
    assert result is not None, "a completed video has a result"
    if target.is_dir():
        target = target / f"{Path(found['file_name'].replace(chr(92), '/')).stem or 'video'}-frames.zip"
    part = target.with_name(f".{target.name}.{result['sha256'][:12]}.part")
    digest = hashlib.sha256()
    with part.open("a+b") as file:
        file.seek(0)
        for piece in iter(lambda: file.read(PIECE), b""):
            digest.update(piece)

        def sink(piece: bytes) -> None:
            file.write(piece)
            digest.update(piece)

        await read(session, id, file.tell(), result["size_bytes"] - 1, sink)
    if digest.hexdigest() != result["sha256"]:
        part.unlink()
        raise DamagedResult("the archive is damaged: its SHA-256 differs")
    part.replace(target)
    return target
