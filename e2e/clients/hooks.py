"""What a request must be that no schema can say: values that depend on each other, or on earlier requests."""

import copy
import itertools
import json
import re
from fractions import Fraction

import schemathesis

SECONDS = {"ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600}
LARGEST_WEBP_SIDE = 16383
COMPONENT = b"\0asm\x0d\0\x01\0"


def place(text):
    """The kind of a place on the timeline (seconds, percent or frame), and its value."""
    number, unit = re.fullmatch(r"#?([0-9.]+)(ms|s|m|h|%)?", text).groups()
    return ("seconds" if unit in SECONDS else unit), Fraction(number) * SECONDS.get(unit, 1)


def repair(options):
    """Takes out of valid options what contradicts itself."""
    if not isinstance(options, dict):
        return
    select, span, resize = (options.get(name) or {} for name in ("select", "range", "resize"))
    # A duration's form is a pattern, which has no smallest value.
    if "every" in select and place(select["every"])[1] < SECONDS["ms"]:
        select["every"] = "1ms"
    # A range must not end before it begins.
    if span.get("end") and place(span["end"])[1] == 0:
        del span["end"]
    if span.get("start") and place(span["start"]) == ("%", 100):
        del span["start"]
    if span.get("start") and span.get("end"):
        (start_kind, start), (end_kind, end) = place(span["start"]), place(span["end"])
        if start_kind == end_kind and start >= end:
            del span["start"]
    # WebP's images have smaller sides than those of the other formats.
    if options.get("format") == "webp":
        for side in ("width", "height"):
            if resize.get(side):
                resize[side] = min(resize[side], LARGEST_WEBP_SIDE)
    # A plugin's name must mean one, and its configuration is the plugin's to judge.
    for plugin in options.get("plugins") or []:
        plugin.update(name="grayscale", config={})
    # The places of `at` share a limit of characters.
    if select.get("at"):
        while len(json.dumps(select["at"], separators=(",", ":"))) > 12 * 1024:
            del select["at"][len(select["at"]) // 2 :]


def is_readable(headers):
    """Whether the values are UTF-8, as they are sent."""
    try:
        return all(str(value).encode("latin-1").decode("utf-8") is not None for value in headers.values())
    except UnicodeError:
        return False


@schemathesis.hook
def filter_case(context, case):
    """Leaves out requests that never reach the API: hosts answer a header that is not UTF-8 themselves."""
    return is_readable(case.headers or {})


schemathesis.serializer.alias("application/wasm", "application/octet-stream")

CALLS = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Repairs cases that are meant to be valid; the others stay as they are."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    headers, query = case.headers or {}, case.query or {}
    # The same key with another body is refused.
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"{headers['Idempotency-Key'][:50]}-{next(CALLS)}"
    if isinstance(case.body, dict):
        # Other cases share its parts.
        case.body = copy.deepcopy(case.body)
        repair(case.body.get("options"))
    if isinstance(query.get("options"), str) and query["options"]:
        options = json.loads(query["options"])
        repair(options)
        query["options"] = json.dumps(options)
    # No schema says how a component begins.
    if case.method == "PUT" and case.path.startswith("/plugins"):
        case.body = COMPONENT + getattr(case.body, "data", b"")
        case._record_starting_state()
        return
    # The name of the file: no schema says how a form calls it, nor that one media type alone needs the parameter.
    if case.media_type in ("application/octet-stream", "multipart/form-data"):
        query.setdefault("file_name", "holiday.mp4")
        case.query = query
    # Else schemathesis would look at the repaired case anew, and take null in the JSON of a form for broken.
    case._record_starting_state()
