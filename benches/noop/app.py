"""A frame plugin that keeps every frame and reads none, to measure the cost of the calls."""

import json
from typing import Optional

import wit_world
from wit_world.imports.frames import Image, Verdict, Verdict_Keep


class WitWorld(wit_world.WitWorld):
    def config_schema(self) -> str:
        return json.dumps({})

    def configure(self, config: str) -> None:
        pass

    def process(self, frame: Image) -> Verdict:
        return Verdict_Keep()

    def finish(self) -> Optional[str]:
        return None
