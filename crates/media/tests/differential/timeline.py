"""When frames are shown and which of them are wanted, written down from the product's promises:
the timeline starts with the first shown frame, and the frame at a time is the last one whose
presentation time is not after it."""

from bisect import bisect_right
from fractions import Fraction


def stretches(times, wrap):
    """The stretch of the clock that each packet belongs to, from the packets' decoding times: one
    that goes back behind the two before it starts another. Where timestamps wrap, the shorter way
    round counts."""

    def before(a, b):
        return (a - b) % wrap > wrap // 2 if wrap else a < b

    number, last = 0, []
    for at in times:
        if at is not None:
            if len(last) == 2 and all(before(at, other) for other in last):
                number, last = number + 1, []
            last = [*last, at][-2:]
        yield number


def place(frames, time_base, rate):
    """Seconds from the first shown frame to each one, and to the end of the last. Frames come in
    the order of the decoder; within a stretch of the clock they take their timestamps in rising
    order, and a stretch begins where the one before it ends."""
    usual = 1 if not rate else max(1, int(1 / (Fraction(rate) * time_base) + Fraction(1, 2)))
    ticks, until = [], 0
    for number in sorted({frame.stretch for frame in frames}):
        part, follows = [frame for frame in frames if frame.stretch == number], None
        for frame in part:
            if frame.pts is None:
                frame.pts = follows if follows is not None else 0
            follows = frame.pts + (frame.ticks if frame.ticks > 0 else usual)
        rising = sorted(frame.pts for frame in part)
        shift = until - rising[0] if ticks else 0
        ticks += [at + shift for at in rising]
        until = ticks[-1] + (part[-1].ticks if part[-1].ticks > 0 else usual)
    return [(at - ticks[0]) * time_base for at in ticks], (until - ticks[0]) * time_base if ticks else Fraction(0)


class Video:
    def __init__(self, times, end, keys):
        self.times, self.end, self.keys = times, end, keys

    def at(self, time):
        """The frame on screen; beyond the end, the last one."""
        return bisect_right(self.times, time) - 1

    def seconds(self, text):
        """The moment that a place means: "1.5s", "250ms", "50%" or "#300"."""
        if text.startswith("#"):
            number = int(text[1:])
            return self.times[number] if number < len(self.times) else self.end
        if text.endswith("%"):
            return self.end * Fraction(text[:-1]) / 100
        return duration(text)

    def select(self, options):
        """Pairs of a frame's number and the time it was asked for, in time order."""
        select, span = options["select"], options.get("range", {})
        start, end = span.get("start", "0s"), span.get("end", "100%")
        start, end = self.seconds(start), min(self.seconds(end), self.end)
        if start >= self.end:
            # Only a range that lies beyond the end altogether is moved to the last frame.
            raise ValueError("a case must not begin behind the end of the video")
        if "all" in select or "keyframes" in select:
            wanted = self.keys if "keyframes" in select else [True] * len(self.times)
            return [
                (index, None)
                for index, time in enumerate(self.times)
                if wanted[index] and start <= time < end
            ]
        return [(self.at(time), time) for time in self.moments(select, start, end)]

    def moments(self, select, start, end):
        if "count" in select:
            slices = select["count"]
            return [start + (end - start) * Fraction(2 * k + 1, 2 * slices) for k in range(slices)]
        if "at" in select:
            # A frame that is asked for by its number stands for the time at which it is shown.
            numbers = [min(int(text[1:]), len(self.times) - 1) for text in select["at"] if text[0] == "#"]
            times = [self.seconds(text) for text in select["at"] if text[0] != "#"]
            return sorted([self.times[number] for number in numbers] + times)
        period = duration(select["every"]) if "every" in select else 1 / Fraction(str(select["fps"]))
        moments = []
        while start + len(moments) * period < end:
            moments.append(start + len(moments) * period)
        return moments


def duration(text):
    for unit, seconds in [("ms", Fraction(1, 1000)), ("s", 1), ("m", 60), ("h", 3600)]:
        if text.endswith(unit):
            return Fraction(text[: -len(unit)]) * seconds
    raise ValueError(f"{text} is no duration")
