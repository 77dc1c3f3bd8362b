"""Many visitors at once, each handing in one thing after another: ``emotion soak``.

They come and go: after VISIT requests a visitor leaves and another takes the place. An answer counts as mixed up where its
readings are not those that the same input got when it had the app to itself.
"""

import functools
import random
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emotion.bench.processes import usage
from emotion.bench.visitors import KINDS, App, Item, Outcome, Visitor, answers_alone, in_background, items, same, started

VISIT = 5  # requests of one visitor
RESULTS = ("answered", "busy", "refused", "lost")


def soak(visitors: int, seconds: float, pause: float, settle: float, log: str | Path) -> dict[str, Any]:
    """Starts the app, has it visited, and counts what became of every request.

    Parameters
    ----------
    visitors : int
        How many at once.
    seconds : float
        For how long they hand things in.
    pause : float
        Seconds from an answer to the same visitor's next request: on average, of an exponential distribution.
    settle : float
        Seconds after the last visitor has left, until memory is measured again.
    log : path
        Where the app's log goes.

    Returns
    -------
    dict
        ``kinds``: by kind the counts of RESULTS, ``mixed_up``, and ``seconds`` (median, 95th percentile, longest) of those
        answered. ``usage``: memory, processes, threads, handles and files "before", "most" and "after". ``film_lane``: the share
        of the time between the first film's request and the last one's answer in which a film was analysed.

    Raises
    ------
    InputError
        Where the app does not start or answer.
    """
    with TemporaryDirectory() as folder, started(Path(log)) as app:
        things = items(Path(folder))
        first = Visitor(app)
        alone = answers_alone(first, things)
        first.leave()
        before, most = held(app), [usage(app.process.pid)]
        outcomes: list[tuple[Item, Outcome, float]] = []
        end = time.monotonic() + seconds

        def visiting(seed: int) -> None:
            drawn = random.Random(seed)
            time.sleep(drawn.uniform(0, min(pause, seconds)))  # not all in the same instant
            while time.monotonic() < end:
                visitor = Visitor(app)
                for _ in range(VISIT):
                    kind = drawn.choices(list(KINDS), list(KINDS.values()))[0]
                    item = drawn.choice([item for item in things if item.kind == kind])
                    outcomes.append((item, visitor.ask(item), time.monotonic()))
                    time.sleep(drawn.expovariate(1 / pause) if pause else 0)
                    if time.monotonic() >= end:
                        break
                visitor.leave()

        threads = in_background([functools.partial(visiting, seed) for seed in range(visitors)])
        while any(thread.is_alive() for thread in threads):
            most.append(usage(app.process.pid))
            time.sleep(1)
        time.sleep(settle)
        after = held(app)
    highest = max(most, key=lambda found: found.memory_mb)
    return {
        "visitors": visitors,
        "seconds": seconds,
        "pause": pause,
        "settle": settle,
        "kinds": {kind: _counted([found for found in outcomes if found[0].kind == kind], alone) for kind in KINDS},
        "answers_per_second": sum(outcome.result == "answered" for _, outcome, _ in outcomes) / seconds,
        "film_lane": _at_work([(outcome, at) for item, outcome, at in outcomes if item.kind == "film"]),
        "usage": {"before": before, "most": vars(highest) | {"files": None}, "after": after},
    }


def held(app: App) -> dict[str, Any]:
    """What the app and its workers hold now, and how many files lie in its folder of uploads."""
    return vars(usage(app.process.pid)) | {"files": sum(path.is_file() for path in app.uploads.rglob("*"))}


def _counted(found: Sequence[tuple[Item, Outcome, float]], alone: dict[str, dict[str, Any]]) -> dict[str, Any]:
    answered = [(item, outcome) for item, outcome, _ in found if outcome.analysis is not None]
    times = sorted(outcome.seconds for _, outcome in answered)
    return {
        **{result: sum(outcome.result == result for _, outcome, _ in found) for result in RESULTS},
        "mixed_up": sum(not same(outcome.analysis or {}, alone[item.name]) for item, outcome in answered),
        "seconds": [percentile(times, share) for share in (0.5, 0.95, 1.0)] if times else None,
        "sentences": sorted({outcome.sentence for _, outcome, _ in found if outcome.result in ("refused", "lost")}),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that ``share`` of an ascending sequence does not exceed."""
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def _at_work(films: Sequence[tuple[Outcome, float]]) -> float | None:
    """Analyses' own times, together, over the time from the first request to the last answer; None for fewer than two."""
    answered = [(outcome, at) for outcome, at in films if outcome.analysis is not None]
    if len(answered) < 2:
        return None
    span = max(at for _, at in answered) - min(at - outcome.seconds for outcome, at in answered)
    worked = sum(float(outcome.analysis["timings_ms"]["total"]) for outcome, _ in answered if outcome.analysis)
    return worked / 1000 / span


def show(found: dict[str, Any]) -> str:
    """The figures as tables."""
    head = f"{'':10}" + "".join(f"{name:>10}" for name in (*RESULTS, "mixed up", "median s", "95 % s", "longest s"))
    lines = [f"{found['visitors']} visitors, {found['seconds']:g} s, {found['pause']:g} s between requests", head]
    for kind, counts in found["kinds"].items():
        numbers = [*(counts[name] for name in RESULTS), counts["mixed_up"]]
        times = counts["seconds"] or []
        lines.append(f"{kind:10}" + "".join(f"{n:10}" for n in numbers) + "".join(f"{t:10.2f}" for t in times))
    lines.append(f"{found['answers_per_second']:.1f} answers a second")
    if found["film_lane"] is not None:
        lines.append(f"a film was analysed {found['film_lane']:.0%} of the time")
    lines += ["", *usage_rows(found["usage"], f"before, at most, and {found['settle']:g} s after the last visitor has left")]
    lines += [f"{kind}: {sentence}" for kind, counts in found["kinds"].items() for sentence in counts["sentences"]]
    return "\n".join(lines)


def usage_rows(rows: dict[str, dict[str, Any]], what: str) -> list[str]:
    """A table of what the app held at several moments."""
    columns = ("memory_mb", "processes", "threads", "handles", "files")
    lines = [f"held by the app and its workers, {what}", f"{'':10}" + "".join(f"{name:>10}" for name in columns)]
    for name, held in rows.items():
        cells = ("" if held[column] is None else f"{held[column]:.0f}" for column in columns)
        lines.append(f"{name:10}" + "".join(f"{cell:>10}" for cell in cells))
    return lines
