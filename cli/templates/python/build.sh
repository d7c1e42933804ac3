#!/bin/sh
# Builds the plugin. Once for each machine: pip install componentize-py==0.25.1
set -e
componentize-py -d wit -w configurable-frame-plugin componentize --stub-wasi app -o NAME.wasm
