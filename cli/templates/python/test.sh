#!/bin/sh
# Runs the tests, against the types of the plugin's world.
set -e
PATH="$PWD/.venv/bin:$PATH"
componentize-py -d wit -w configurable-frame-plugin bindings bindings
PYTHONPATH=bindings python -m unittest
