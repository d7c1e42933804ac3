"""Generates the types of the API for both clients, from the API document in the snapshot of `crates/edge`.

`generate.py FOLDER NODE_MODULES` writes below FOLDER what `cargo xtask clients` puts into, or compares with, `clients/`.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SNAPSHOT = ROOT / "crates/edge/src/openapi/snapshots/framelift_edge__openapi__tests__the_document_holds_still.snap"
PYTHON = "python/src/framelift/types.py"
TYPESCRIPT = "typescript/src/schema.ts"
# Tags of calls that only workers make, and of pages.
LEFT_OUT = {"workers", "service"}


def names_in(value: object) -> set[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(value, dict):
        _, schema, name = value.get("$ref", "").rpartition("#/components/schemas/")
        found = {name} if schema else set()
        return found.union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


def for_users(document: dict) -> dict:
    """The document with only the types of users' calls."""
    paths = {}
    for path, item in document["paths"].items():
        kept = {
            method: operation
            for method, operation in item.items()
            if not (isinstance(operation, dict) and LEFT_OUT & set(operation.get("tags", [])))
        }
        if any(isinstance(operation, dict) and "responses" in operation for operation in kept.values()):
            paths[path] = kept
    schemas = document["components"]["schemas"]
    others = {kind: parts for kind, parts in document["components"].items() if kind != "schemas"}
    wanted, found = set(), names_in([paths, others])
    while found - wanted:
        wanted |= found
        found = names_in([schemas[name] for name in wanted])
    components = {"schemas": {name: schemas[name] for name in sorted(wanted)}}
    return document | {"paths": {}, "components": components}


def main(folder: Path, node_modules: Path) -> None:
    text = SNAPSHOT.read_text()
    document = for_users(json.loads(text[text.index("\n{") :]))
    for file in (PYTHON, TYPESCRIPT):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
    source = folder / "openapi.json"
    source.write_text(json.dumps(document))
    python = ["datamodel-codegen", "--input", source, "--input-file-type", "openapi", "--output", folder / PYTHON]
    python += ["--output-model-type", "typing.TypedDict", "--target-python-version", "3.11", "--disable-timestamp"]
    python += ["--use-schema-description", "--use-field-description", "--enum-field-as-literal", "all"]
    python += ["--use-union-operator", "--no-use-closed-typed-dict", "--formatters", "builtin", "--custom-file-header", "# Written by `cargo xtask clients`."]
    typescript = ["node", node_modules / "openapi-typescript/bin/cli.js", source, "--output", folder / TYPESCRIPT]
    typescript += ["--root-types", "--root-types-no-schema-prefix"]
    for command in (python, typescript):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    source.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
