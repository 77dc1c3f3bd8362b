"""One analysis after another by one visitor, and what the app then holds: ``emotion flood``. What grows, leaks."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emotion.bench.soak import RESULTS, held, usage_rows
from emotion.bench.visitors import KINDS, Visitor, answers_alone, items, started

MEASURED = 10  # times on the way, evenly spaced
KINDS_IN_TURN = [kind for kind, share in KINDS.items() for _ in range(round(share * 20))]  # 20 requests in the shares of KINDS
STEP = 7  # through KINDS_IN_TURN: without a common factor with its length, so that kinds alternate


def flood(analyses: int, idle: float, log: str | Path) -> dict[str, Any]:
    """Starts the app and asks it for so many analyses in a row, each by a new visit of the same person.

    Parameters
    ----------
    analyses : int
        How many, of the kinds and in the shares of ``emotion soak``.
    idle : float
        Seconds without a request before each measurement, as a crowd that has gone leaves them.
    log : path
        Where the app's log goes.

    Returns
    -------
    dict
        ``results``: how many requests ended as each of RESULTS. ``usage``: memory, processes, threads, handles and files after
        so many analyses.

    Raises
    ------
    InputError
        Where the app does not start or answer.
    """
    results = dict.fromkeys(RESULTS, 0)
    rows: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder, started(Path(log)) as app:
        things = items(Path(folder))
        visitor = Visitor(app)
        answers_alone(visitor, things)
        visitor.leave()
        for done in range(1, analyses + 1):
            kind = KINDS_IN_TURN[done * STEP % len(KINDS_IN_TURN)]
            some = [item for item in things if item.kind == kind]
            visitor = Visitor(app)
            results[visitor.ask(some[done % len(some)]).result] += 1
            visitor.leave()
            if done * MEASURED // analyses > (done - 1) * MEASURED // analyses:
                time.sleep(idle)
                rows[str(done)] = held(app)
    return {"analyses": analyses, "idle": idle, "results": results, "usage": rows}


def show(found: dict[str, Any]) -> str:
    """The figures as tables."""
    counts = ", ".join(f"{count} {result}" for result, count in found["results"].items())
    return "\n".join(
        [
            f"{found['analyses']} analyses in a row: {counts}",
            "",
            *usage_rows(found["usage"], f"after so many analyses and {found['idle']:g} s"),
        ]
    )
