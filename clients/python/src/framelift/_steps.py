"""What a client does, step by step, without doing any of it: generators that give steps and take their results, so
that one description serves the blocking and the asynchronous client."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from ._errors import DamagedResult, ProcessingFailed, Refused, Unreachable
from .types import CreateVideoResponse, OptionsBody, Status, VideoPage, VideoResponse

T = TypeVar("T")
WAITS = (0.3, 1.0, 2.0, 5.0, 15.0)
AT_ONCE = 4
PIECE = 1 << 20


@dataclass
class Http:
    """A request to the API; gives an `Answer`."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Put:
    """A part of a file to a presigned URL; gives the status."""

    url: str
    headers: dict[str, str]
    path: Path
    offset: int
    size: int


@dataclass
class PutTogether:
    """Parts at once; gives their statuses, 0 for one without an answer."""

    parts: list[Put]


@dataclass
class Read:
    """An object's bytes from `start` up to `end`, both in it, into `sink`; gives the status."""

    url: str
    start: int
    end: int
    sink: Callable[[bytes], object]


@dataclass
class Sleep:
    seconds: float


Step = Http | Put | PutTogether | Read | Sleep
Steps = Generator[Step, Any, T]


@dataclass
class Session:
    """Where the API is, and how the caller is known there."""

    url: str
    token: str | None = None
    refresh_token: str | None = None


def call(
    session: Session,
    method: str,
    path: str,
    body: object = None,
    key: str | None = None,
    anonymous: bool = False,
) -> Steps[Any]:
    """Sends a request, again where that does no harm, and after renewing the token; gives the JSON of the answer."""
    repeatable = method in ("GET", "DELETE") or key is not None
    renewed, waits = False, iter(WAITS)
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
            answer: Answer = yield Http(method, session.url + path, headers, sent)
        except Unreachable:
            wait = next(waits, None)
            if not repeatable or wait is None:
                raise
        else:
            if 200 <= answer.status < 300:
                return json.loads(answer.body) if answer.body else None
            refused = Refused(answer.status, problem(answer))
            if refused.code == "unauthenticated" and session.refresh_token and not renewed and not anonymous:
                yield from renew(session)
                renewed = True
                continue
            temporary = answer.status in (502, 503, 504) or refused.code in ("rate-limited", "idempotency-in-progress")
            wait = next(waits, None)
            if not repeatable or not temporary or wait is None:
                raise refused
            if answer.headers.get("retry-after", "").isdigit():
                wait = min(float(answer.headers["retry-after"]), 30.0)
        yield Sleep(wait)


def problem(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": f"status {answer.status}"}


def renew(session: Session) -> Steps[None]:
    body = {"refresh_token": session.refresh_token}
    keep(session, (yield from call(session, "POST", "/auth/refresh", body, anonymous=True)))


def keep(session: Session, tokens: dict[str, Any]) -> None:
    session.token, session.refresh_token = tokens["access_token"], tokens["refresh_token"]


def login(session: Session, email: str, password: str) -> Steps[None]:
    body = {"email": email, "password": password}
    keep(session, (yield from call(session, "POST", "/auth/login", body, anonymous=True)))


def video(session: Session, id: str) -> Steps[VideoResponse]:
    return cast(VideoResponse, (yield from call(session, "GET", f"/videos/{id}")))


def page(session: Session, status: Status | None, cursor: str | None) -> Steps[VideoPage]:
    query = {"limit": "100", "status": status, "cursor": cursor}
    encoded = urlencode({name: value for name, value in query.items() if value})
    return cast(VideoPage, (yield from call(session, "GET", f"/videos?{encoded}")))


def upload(session: Session, path: Path, options: OptionsBody | None, key: str | None) -> Steps[VideoResponse]:
    """Announces the file, sends what has not arrived, and hands it over."""
    key = key or str(uuid.uuid4())
    size = os.path.getsize(path)
    body = {"file_name": path.name, "size_bytes": size, **({"options": options} if options else {})}

    def announce() -> Steps[Any]:
        return call(session, "POST", "/videos", body, key)

    created: CreateVideoResponse = yield from announce()
    id = created["id"]
    if created["status"] == "awaiting_upload":
        if created["upload"]["method"] == "PUT":
            yield from put_whole(path, size, created, announce)
        else:
            yield from put_parts(session, id, path, size)
    yield from call(session, "POST", f"/videos/{id}/complete", key=f"{key[:54]}-complete")
    return (yield from video(session, id))


def put_whole(
    path: Path, size: int, created: CreateVideoResponse, announce: Callable[[], Steps[Any]]
) -> Steps[None]:
    for wait in (*WAITS, None):
        target = created["upload"]
        assert target["method"] == "PUT"
        headers = {name: value for name, value in target["headers"].items() if name.lower() != "content-length"}
        try:
            status: int = yield Put(target["url"], headers, path, 0, size)
        except Unreachable:
            status = 0
        if 200 <= status < 300:
            return
        yield from again(status, wait)
        created = yield from announce()


def put_parts(session: Session, id: str, path: Path, size: int) -> Steps[None]:
    waits = iter(WAITS)
    while True:
        parts = yield from call(session, "GET", f"/videos/{id}/upload-parts")
        length = parts["part_size"]
        arrived = {part["number"]: part["size"] for part in parts["uploaded"]}
        sizes = {n: min(length, size - (n - 1) * length) for n in range(1, parts["part_count"] + 1)}
        missing = [n for n in sizes if arrived.get(n) != sizes[n]]
        if not missing:
            return
        urls = {part["number"]: part["url"] for part in parts["parts"]}
        if missing[0] not in urls:
            more = yield from call(session, "GET", f"/videos/{id}/upload-parts?from={missing[0]}")
            urls = {part["number"]: part["url"] for part in more["parts"]}
        failed = None
        todo = [n for n in missing if n in urls]
        for begin in range(0, len(todo), AT_ONCE):
            puts = [Put(urls[n], {}, path, (n - 1) * length, sizes[n]) for n in todo[begin : begin + AT_ONCE]]
            statuses: list[int] = yield PutTogether(puts)
            failed = next((status for status in statuses if not 200 <= status < 300), None)
            if failed is not None:
                break
            waits = iter(WAITS)
        if failed is not None:
            # Fresh URLs, and what has arrived, come with the next round.
            yield from again(failed, next(waits, None))


def again(status: int, wait: float | None) -> Steps[None]:
    """Waits after bytes that did not arrive, or gives up."""
    if status not in (0, 403, 429) and status < 500:
        raise Refused(status, {"code": "store-refused", "detail": f"the object store answered {status}"})
    if wait is None:
        raise Unreachable("the object store does not take the bytes")
    yield Sleep(wait)


def wait(session: Session, id: str) -> Steps[VideoResponse]:
    """Waits for the video's end; an error unless it was completed."""
    pause = 0.2
    while True:
        found = yield from video(session, id)
        if found["status"] == "completed":
            return found
        if found.get("completed_at"):
            raise ProcessingFailed(found)
        yield Sleep(pause)
        pause = min(pause * 1.5, 2.0)


def read(session: Session, id: str, start: int, end: int, sink: Callable[[bytes], object]) -> Steps[None]:
    """Bytes of a video's archive, gone on with where a connection breaks off."""
    waits = iter(WAITS)
    have = start

    def count(piece: bytes) -> None:
        nonlocal have
        sink(piece)
        have += len(piece)

    while have <= end:
        before = have
        place = yield from call(session, "GET", f"/videos/{id}/download")
        try:
            status: int = yield Read(place["url"], have, end, count)
        except Unreachable:
            status = 0
        if have > end:
            return
        if have > before:
            waits = iter(WAITS)
        yield from again(503 if 200 <= status < 300 else status, next(waits, None))


def download(session: Session, id: str, target: Path) -> Steps[Path]:
    """Writes the archive to `target`, whole and checked. What came before an interruption is gone on with."""
    found = yield from wait(session, id)
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

        yield from read(session, id, file.tell(), result["size_bytes"] - 1, sink)
    if digest.hexdigest() != result["sha256"]:
        part.unlink()
        raise DamagedResult("the archive that came is not the one that was made")
    part.replace(target)
    return target


def slices(path: Path, offset: int, size: int) -> Iterator[bytes]:
    """The bytes of a part, piece by piece."""
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0:
            piece = file.read(min(PIECE, size))
            if not piece:
                raise OSError(f"{path} became shorter while it was uploaded")
            size -= len(piece)
            yield piece
