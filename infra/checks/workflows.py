"""Checks of GitHub's workflows: their form, ways into them, and that what others wrote is pinned."""

import re

from common import ROOT, Failed, check, fail_if, program, run

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))


@check
def actionlint_is_content():
    if not FILES:
        raise Failed("there are no workflows")
    run(program("actionlint"), *FILES)


@check
def zizmor_is_content():
    run(program("zizmor"), "--offline", "--no-progress", *FILES)


@check
def actions_are_pinned_by_digest():
    """With the version beside it, so that people can tell."""
    problems = []
    for file in FILES:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            used = re.search(r"uses:\s*(\S+)(.*)", line)
            if used and not (re.search(r"@[0-9a-f]{40}$", used[1]) and re.match(r" # v\d+\.\d+\.\d+$", used[2])):
                problems.append(f"{file.name}:{number}: {used[1]}")
    fail_if(problems)
