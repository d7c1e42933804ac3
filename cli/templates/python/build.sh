#!/bin/sh
# Builds the plugin, by what requirements.txt names.
set -e
PATH="$PWD/.venv/bin:$PATH"
componentize-py -d wit -w configurable-frame-plugin componentize --stub-wasi app -o NAME.wasm
