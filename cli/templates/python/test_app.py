"""Tests of the plugin: `sh test.sh` runs them."""

import unittest

from app import WitWorld
from wit_world.imports.frames import Verdict_Drop, Verdict_KeepWith


class Frame:
    """Stands for a frame of one shade."""

    def __init__(self, shade: int):
        self.shade = shade

    def thumbnail(self, width: int, height: int, shades: object) -> bytes:
        return bytes([self.shade]) * (width * height)


class Test(unittest.TestCase):
    def test_dark_frames_are_dropped(self):
        plugin = WitWorld()
        plugin.configure('{"darkest": 16}')
        self.assertEqual(plugin.process(Frame(15)), Verdict_Drop())
        self.assertEqual(plugin.process(Frame(16)), Verdict_KeepWith([("brightness", "16")]))
        self.assertEqual(plugin.finish(), "1 dark frames dropped")
