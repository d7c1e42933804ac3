"""When frames are shown and which of them are wanted, written down from the product's promises:
the timeline starts with the first shown frame, and the frame at a time is the last one whose
presentation time is not after it."""

from bisect import bisect_right
from fractions import Fraction

BREAK = 10  # Seconds back that make a new clock; less is disorder.


def place(frames, time_base, rate):
    """Seconds from the first shown frame to each one, and to the end of the last."""
    usual = 1 if not rate else max(1, int(1 / (Fraction(rate) * time_base) + Fraction(1, 2)))
    ticks, last, until, shift = [], None, 0, 0
    for frame in frames:
        at = until if frame.pts is None else frame.pts + shift
        if last is not None and at < last:
            if (last - at) * time_base > BREAK:
                shift += until - at
                at = until
            else:
                at = last
        if frame.pts is None:
            frame.pts = at
        ticks.append(at)
        last, until = at, at + (frame.ticks if frame.ticks > 0 else usual)
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
