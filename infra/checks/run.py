"""Runs the checks of `infra/`: `run.py [--quick] [--images] [--no-skips] [NAME…]`. A name selects the checks whose names contain it."""

import importlib
import sys
import threading
import time
import traceback

import common

MODULES = ["terraform", "kubernetes", "consistency", "images", "containers", "workflows", "observability"]


def run_check(function):
    """Runs one check. Returns the outcome, its reason, and the seconds."""
    started = time.monotonic()
    try:
        function()
        outcome, why = "passed", ""
    except common.Skipped as skipped:
        outcome, why = "SKIPPED", str(skipped)
    except common.Failed as failed:
        outcome, why = "FAILED", str(failed)
    except Exception:  # An unexpected error fails the check, too.
        outcome, why = "FAILED", traceback.format_exc()
    return outcome, why, time.monotonic() - started


def main(arguments):
    quick, images, no_skips = (flag in arguments for flag in ("--quick", "--images", "--no-skips"))
    names = [argument for argument in arguments if not argument.startswith("-")]
    chosen = {}
    for module in MODULES:
        importlib.import_module(module)
    for function, slow in common.CHECKS:
        name = f"{function.__module__}::{function.__name__}"
        if function.__module__ == "containers" and not images:
            continue
        if not (quick and slow) and (not names or any(part in name for part in names)):
            chosen.setdefault(function.__module__ == "terraform", []).append((name, function))
    outcomes, lock = [], threading.Lock()

    def run_in_order(checks):
        for name, function in checks:
            outcome, why, seconds = run_check(function)
            with lock:
                outcomes.append(outcome)
                print(f"  {name:<62} {outcome}, {seconds:.1f} s", flush=True)
                for line in why.splitlines():
                    print(f"      {line}", flush=True)

    # Terraform mostly waits, so the other checks run concurrently.
    threads = [threading.Thread(target=run_in_order, args=(checks,)) for checks in chosen.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not outcomes:
        print(f"no check is called {' or '.join(names)}")
        return 1
    count = outcomes.count
    print(f"infra: {count('passed')} passed, {count('FAILED')} failed, {count('SKIPPED')} skipped")
    if no_skips and count("SKIPPED"):
        print("with --no-skips, a check that is skipped fails")
    return 1 if count("FAILED") or (no_skips and count("SKIPPED")) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
