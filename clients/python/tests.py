"""What needs no service: `python tests.py` with `src` on the path."""

import hashlib
import io
import json
import tempfile
import unittest
import zipfile
from pathlib import Path

from framelift import DamagedResult, Event, Frame, InvalidSignature, ProcessingFailed, Refused, Unreachable, verify
from framelift._frames import frames
from framelift._io import Answer, Blocking, iterate, run
from framelift._steps import Session, events, start_run, upload, wait, watch


class Service(Blocking):
    """A service that answers by functions, and remembers what it was asked for."""

    def __init__(self, answers, archive=b"", streams=()):
        super().__init__()
        self.answers, self.archive, self.streams = answers, archive, list(streams)
        self.asked, self.keys, self.slept, self.ranges = [], [], [], 0

    def session(self):
        return Session("http://x", self, "token")

    async def sleep(self, seconds):
        self.slept.append(seconds)

    async def send(self, method, url, headers, body):
        path = url.removeprefix("http://x")
        self.asked.append(path)
        self.keys.append(headers.get("idempotency-key"))
        answer = self.answers(path)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(200, {}, json.dumps(answer).encode())

    async def read(self, url, start, end, sink):
        self.ranges += 1
        sink(self.archive[start : end + 1])
        return 206

    async def lines(self, url, headers):
        self.asked.append((url.removeprefix("http://x"), headers.get("last-event-id")))
        stream = self.streams.pop(0) if self.streams else Answer(404, {}, b'{"code": "not-found"}')
        if isinstance(stream, Exception):
            raise stream
        for line in [stream] if isinstance(stream, Answer) else stream.split("\n"):
            yield line


def record(status, percent=0, **more):
    ended = "now" if status in ("completed", "failed") else None
    return {"id": "1", "status": status, "progress": {"percent": percent}, "completed_at": ended, **more}


def told(kind, id, data):
    return f"event: {kind}\nid: {id}\ndata: {json.dumps(data)}\n\n"


class Webhooks(unittest.TestCase):
    SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    # The example of the specification's own libraries.
    BODY = '{"test": 2432232314}'
    HEADERS = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,Y3JhcA== v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    def test_a_good_signature_gives_the_event(self) -> None:
        self.assertEqual(verify(self.SECRET, self.BODY, self.HEADERS, now=1614265331), {"test": 2432232314})

    def test_an_invalid_signature_is_refused(self) -> None:
        bad = [
            (self.SECRET, self.BODY + " ", self.HEADERS, 1614265330),
            (self.SECRET, self.BODY, self.HEADERS, 1614265330 + 301),
            (self.SECRET, self.BODY, self.HEADERS, 1614265330 - 301),
            (self.SECRET, self.BODY, self.HEADERS | {"Webhook-Id": "other"}, 1614265330),
            (self.SECRET, self.BODY, self.HEADERS | {"Webhook-Timestamp": "x"}, 1614265330),
            (self.SECRET, self.BODY, {}, 1614265330),
            ("whsec_c2VjcmV0", self.BODY, self.HEADERS, 1614265330),
            ("whsec_?", self.BODY, self.HEADERS, 1614265330),
        ]
        for secret, body, headers, now in bad:
            with self.assertRaises(InvalidSignature):
                verify(secret, body, headers, now=now)


class Frames(unittest.TestCase):
    def archive(self, count: int) -> bytes:
        file = io.BytesIO()
        records = []
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(1, count + 1):
                name, data = f"frames/frame_{number:06}.jpg", bytes([number % 251]) * (number % 997)
                archive.writestr(name, data)
                records.append({
                    "file": name, "time": f"{number}/25", "time_seconds": number / 25, "width": 4, "height": 2,
                    "keyframe": number == 1, "sha256": hashlib.sha256(data).hexdigest(),
                })
            archive.writestr("manifest.json", json.dumps({"frames": records}))
        return file.getvalue()

    def read(self, archive: bytes) -> tuple[list[Frame], int]:
        """The frames, and how many ranges were read."""
        completed = record("completed", result={"size_bytes": len(archive)})
        service = Service(
            lambda path: {"url": "http://store"},
            archive,
            [told("status", "1-1", completed)],
        )
        return list(iterate(frames(service.session(), "1", 1, None, None))), service.ranges

    def test_frames_come_in_order_by_few_ranges(self) -> None:
        for count in (1, 2, 3000):
            found, ranges = self.read(self.archive(count))
            self.assertEqual([frame.number for frame in found], list(range(1, count + 1)))
            self.assertEqual(found[-1].data, bytes([count % 251]) * (count % 997))
            self.assertEqual((found[0].time, found[0].seconds, found[0].keyframe), ("1/25", 0.04, True))
            self.assertLessEqual(ranges, 5)

    def test_damage_is_reported(self) -> None:
        archive = self.archive(30)
        image, header = archive.index(bytes([20]) * 20), archive.index(b"PK\x03\x04", 100)
        for at in (image, header, len(archive) - 22):
            damaged = bytearray(archive)
            damaged[at : at + 3] = b"bad"
            with self.assertRaises(DamagedResult):
                self.read(bytes(damaged))
        with self.assertRaises(DamagedResult):
            self.read(b"no archive at all")

    def some(self, start: int = 1, stop: int | None = None, at: object = None) -> tuple[list[Frame], list[str]]:
        """A few of 250 frames, and the requests for them."""

        def answers(path):
            if path.startswith("/f/"):
                return Answer(200, {}, b"image " + path.removeprefix("/f/").encode())
            if "/at/" in path:
                return Answer(200, {"content-location": "/videos/1/frames/7"}, b"image 7")
            query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
            first, limit = int(query["from"]), int(query["limit"])
            numbers = range(first, min(251, first + limit))
            items = [
                {"n": n, "time": str(n), "time_seconds": float(n), "width": 4, "height": 2, "keyframe": False,
                 "bytes": len(f"image {n}"), "url": f"/f/{n}"}
                for n in numbers
            ]
            return {"items": items, "next_cursor": "x" if first + limit <= 250 else None}

        completed = record("completed", options={"format": "png"}, result={"size_bytes": 9})
        service = Service(answers, streams=[told("status", "1-1", completed)])
        return list(iterate(frames(service.session(), "1", start, stop, at))), service.asked[1:]

    def test_a_few_frames_are_asked_for_one_by_one(self) -> None:
        found, asked = self.some(start=101, stop=103)
        self.assertEqual([(frame.number, frame.data) for frame in found], [(101, b"image 101"), (102, b"image 102")])
        self.assertEqual(found[0].file, "frames/frame_000101.png")
        self.assertEqual(asked, ["/videos/1/frames?from=101&limit=2", "/f/101", "/f/102"])
        self.assertEqual([frame.number for frame in self.some(start=120)[0]], list(range(120, 251)))
        found, asked = self.some(at=["12.5s", 7])
        self.assertEqual([frame.number for frame in found], [7, 7])
        self.assertEqual(asked[0], "/videos/1/frames/at/12.5s")


class Progress(unittest.TestCase):
    def test_one_stream_follows_a_video_to_its_end(self) -> None:
        stream = "retry: 2000\n\n" + told("status", "1-1", record("processing")) + ": \n\n"
        stream += told("progress", "1-2", {"id": "1", "progress": {"percent": 40}})
        stream += told("status", "2-2", record("completed", 100)) + "never read"
        service = Service(None, streams=[stream])
        states = list(iterate(watch(service.session(), "1")))
        self.assertEqual(
            [(state["status"], state["progress"]["percent"]) for state in states],
            [("processing", 0), ("processing", 40), ("completed", 100)],
        )
        self.assertEqual(service.asked, [("/videos/1/events", None)])

    def test_an_interrupted_stream_is_resumed_and_polls_replace_broken_streams(self) -> None:
        streams = [told("status", "1-1", record("pending")) + "event: sta", Unreachable("gone")]
        looks = iter([record("processing"), record("failed", failure={"code": "not-a-video", "message": "it is none"})])
        service = Service(lambda path: next(looks), streams=streams)
        with self.assertRaises(ProcessingFailed):
            run(wait(service.session(), "1"))
        path = "/videos/1/events"
        self.assertEqual(service.asked, [(path, None), (path, "1-1"), "/videos/1", (path, "1-1"), "/videos/1"])
        self.assertEqual(len(service.slept), 2)

    def test_a_token_is_renewed_once(self) -> None:
        ended = Answer(401, {}, b'{"code": "unauthenticated"}')
        service = Service(
            lambda path: {"access_token": "new", "refresh_token": "next"},
            streams=[ended, told("deleted", "5", {"id": "1"}), ended, ended],
        )
        session = service.session()
        session.refresh_token = "first"
        found = iterate(events(session))
        self.assertEqual(next(found), Event("deleted", "1"))
        with self.assertRaises(Refused):
            next(found)
        self.assertEqual(service.asked, [
            ("/videos/events", None), "/auth/refresh", ("/videos/events", None),
            ("/videos/events", "5"), "/auth/refresh", ("/videos/events", "5"),
        ])

    def test_an_id_without_an_event_is_gone_on_from(self) -> None:
        streams = ["retry: 2000\n\nid: 4:\n\n: \n\n", told("deleted", "5:", {"id": "1"})]
        service = Service(None, streams=streams)
        self.assertEqual(next(iterate(events(service.session()))), Event("deleted", "1"))
        self.assertEqual(service.asked, [("/videos/events", None), ("/videos/events", "4:")])


class Parts(Service):
    """A service that takes a file of ten bytes in parts of two. Its process ends with a part of `fatal`."""

    def __init__(self, arrived, fatal=None):
        super().__init__(self.answer)
        self.arrived, self.fatal, self.puts = arrived, fatal, []

    def answer(self, path):
        if path == "/videos":
            return {"id": "1", "status": "awaiting_upload", "upload": {"method": "MULTIPART"}}
        if "/upload-parts" in path:
            parts = [{"number": n, "url": f"http://store/{n}"} for n in range(1, 6)]
            uploaded = [{"number": n, "size": size} for n, size in self.arrived.items()]
            return {"part_size": 2, "part_count": 5, "parts": parts, "uploaded": uploaded}
        return record("pending")

    async def put(self, puts):
        for put in puts:
            number = int(put.url.rpartition("/")[2])
            if number == self.fatal:
                raise KeyboardInterrupt
            self.puts.append((number, b"".join(put.pieces())))
            self.arrived[number] = put.size
        return [200] * len(puts)


class Uploads(unittest.TestCase):
    def test_what_breaks_off_between_parts_is_resumed(self) -> None:
        arrived, sent = {}, []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "a.mp4"
            file.write_bytes(b"0123456789")

            def send(service):
                return run(upload(service.session(), file, None, "mine", lambda now, total: sent.append((now, total))))

            first = Parts(arrived, fatal=3)
            with self.assertRaises(KeyboardInterrupt):
                send(first)
            self.assertEqual(first.puts, [(1, b"01"), (2, b"23")])
            second = Parts(arrived)
            self.assertEqual(send(second)["status"], "pending")
        self.assertEqual(second.puts, [(3, b"45"), (4, b"67"), (5, b"89")])
        self.assertEqual(sent, [(0, 10), (4, 10), (10, 10), (10, 10)])
        self.assertEqual((first.keys[0], second.keys[0]), ("mine", "mine"))

    def test_a_run_whose_answer_is_lost_is_the_same_run(self) -> None:
        answers = iter([Unreachable("lost"), {"id": "2"}, record("pending")])
        service = Service(lambda path: next(answers))
        self.assertEqual(run(start_run(service.session(), "1", {}, None))["status"], "pending")
        self.assertEqual(service.asked, ["/videos/1/runs", "/videos/1/runs", "/videos/2"])
        self.assertEqual(service.keys[0], service.keys[1])
        self.assertIsNotNone(service.keys[0])


if __name__ == "__main__":
    unittest.main()
