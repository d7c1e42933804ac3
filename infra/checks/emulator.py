"""Starts moto's server: `emulator.py --host HOST --port PORT`. Its Python is that of the tests' peers.

AWS gives a queue's redrive policy back as it was sent. moto writes it anew, with spaces, which Terraform takes for
a change; so here its JSON has none.
"""

import functools
import json
import sys
import types

import moto.sqs.models
from moto.server import main

compact = functools.partial(json.dumps, separators=(",", ":"))
moto.sqs.models.json = types.SimpleNamespace(**{**vars(json), "dumps": compact})

if __name__ == "__main__":
    main(sys.argv[1:])
