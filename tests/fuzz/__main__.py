"""Gives many generated files to the decoders, or to the running app, and prints what came of them. Exit status 1 for a fault."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.harness import Outcome, ask, decode
from tests.running import started

LONGEST_S = 10.0  # that one file may take
EVERY = 250  # files, after which it says how far it is


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=5000, help="how many files")
    parser.add_argument("--seed", type=int, default=1, help="of the first; each next one has the next")
    parser.add_argument("--app", action="store_true", help="start the app and give them to its endpoints")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.n)

    told = 0

    def report(seed: int, outcome: Outcome) -> None:
        nonlocal told
        for fault in outcome.faults[told:]:
            print(fault, file=sys.stderr, flush=True)
        told = len(outcome.faults)
        if (seed - arguments.seed + 1) % EVERY == 0:
            print(f"{seed - arguments.seed + 1} files, {len(outcome.faults)} faults", file=sys.stderr, flush=True)

    if arguments.app:
        with tempfile.TemporaryDirectory() as folder, started(Path(folder), HF_HUB_OFFLINE="1") as app:
            app.until_loaded()
            outcome = ask(app, seeds, report, LONGEST_S)
    else:
        outcome = decode(seeds, report, LONGEST_S)
    print(
        f"seeds {seeds.start} to {seeds.stop - 1}: {outcome.counts.total()} answers, the slowest after {outcome.slowest_s:.1f} s"
    )
    for answer, count in outcome.counts.most_common():
        print(f"{count:7,}  {answer}")
    print(f"{len(outcome.faults)} faults: a crash of the app, over 10 s, a traceback, another file or address opened")
    for fault in outcome.faults:
        print(fault)
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
