"""A frame plugin: labels each frame with its brightness, and drops those that are darker than `darkest`.

What a plugin can do is described in wit/frame-plugin.wit.
"""

import json
from typing import Optional

import wit_world
from componentize_py_types import Err
from wit_world.imports.frames import Image, Shades, Verdict, Verdict_Drop, Verdict_KeepWith

darkest = 0
dropped = 0


class WitWorld(wit_world.WitWorld):
    def config_schema(self) -> str:
        number = {"type": "integer", "minimum": 0, "maximum": 255, "default": 0}
        return json.dumps({"type": "object", "properties": {"darkest": number}, "additionalProperties": False})

    def configure(self, config: str) -> None:
        global darkest
        darkest = json.loads(config).get("darkest", 0)
        if not isinstance(darkest, int):
            raise Err("darkest must be an integer")

    def process(self, frame: Image) -> Verdict:
        global dropped
        # A small copy is enough, and cheap.
        pixels = frame.thumbnail(32, 32, Shades.GRAY8)
        brightness = sum(pixels) // len(pixels)
        if brightness < darkest:
            dropped += 1
            return Verdict_Drop()
        return Verdict_KeepWith([("brightness", str(brightness))])

    def finish(self) -> Optional[str]:
        return f"{dropped} dark frames dropped"
