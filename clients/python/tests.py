"""What needs no service: `python tests.py` with `src` on the path."""

import hashlib
import io
import json
import unittest
import zipfile

from framelift import DamagedResult, Frame, InvalidSignature, verify
from framelift._frames import frames
from framelift._steps import Answer, Http, Read, Session


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

    def test_what_is_not_signed_so_is_refused(self) -> None:
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
        record = {"status": "completed", "result": {"size_bytes": len(archive)}}
        steps, found, ranges, answer = frames(Session("http://x", "token"), "1"), [], 0, None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration:
                return found, ranges
            answer = None
            if isinstance(step, Frame):
                found.append(step)
            elif isinstance(step, Read):
                ranges += 1
                step.sink(archive[step.start : step.end + 1])
                answer = 206
            elif isinstance(step, Http):
                body = {"url": "http://store"} if step.url.endswith("/download") else record
                answer = Answer(200, {}, json.dumps(body).encode())

    def test_frames_come_in_order_by_few_ranges(self) -> None:
        for count in (1, 2, 3000):
            found, ranges = self.read(self.archive(count))
            self.assertEqual([frame.number for frame in found], list(range(1, count + 1)))
            self.assertEqual(found[-1].data, bytes([count % 251]) * (count % 997))
            self.assertEqual((found[0].time, found[0].seconds, found[0].keyframe), ("1/25", 0.04, True))
            self.assertLessEqual(ranges, 5)

    def test_damage_is_told(self) -> None:
        archive = self.archive(30)
        image, header = archive.index(bytes([20]) * 20), archive.index(b"PK\x03\x04", 100)
        for at in (image, header, len(archive) - 22):
            damaged = bytearray(archive)
            damaged[at : at + 3] = b"bad"
            with self.assertRaises(DamagedResult):
                self.read(bytes(damaged))
        with self.assertRaises(DamagedResult):
            self.read(b"no archive at all")


if __name__ == "__main__":
    unittest.main()
