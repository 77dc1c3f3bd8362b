"""``GET /health``: whether the app can answer, and what it lacks."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emotion.analyzer import Analyzer
from emotion.labels import MODALITIES
from emotion.serving.slots import State

WANTED = (State.READY, State.REMOTE)


def route(analyzer: Analyzer) -> Callable[[Request], Response]:
    """The route's function. Its status is 200 where something can be read, else 503."""

    def answer(request: Request) -> Response:
        found = report(analyzer)
        return JSONResponse(found, 200 if found["status"] in ("ready", "degraded") else 503)

    return answer


def report(analyzer: Analyzer) -> dict[str, Any]:
    """How the app stands.

    Parameters
    ----------
    analyzer : Analyzer

    Returns
    -------
    dict
        ``status``: "ready" where every wanted model serves, "degraded" where something is read, by another model or not in all
        modalities, "starting" while a role waits for its first model, "failed" where no modality can be read. ``models``: by
        role, ``state`` and ``model``, its name. ``why``: for each reason that a wanted model does not serve its ``role``,
        ``code``, ``fields`` and ``message``, in English.
    """
    roles = analyzer.status()
    serving = {role for role, slot in analyzer.slots.items() if slot.now() is not None}
    if any(status.passing and role not in serving for role, status in roles.items()):
        status = "starting"
    elif not serving & set(MODALITIES):
        status = "failed"
    else:
        status = "ready" if all(role.state in WANTED for role in roles.values()) else "degraded"
    return {
        "status": status,
        "models": {role: {"state": stands.state, "model": stands.model} for role, stands in roles.items()},
        "why": [
            {"role": role, **reason.to_dict(), "message": reason.say()}
            for role, stands in roles.items()
            for reason in stands.reason
        ],
    }
