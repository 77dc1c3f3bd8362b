"""The app as it is served: the page, what guards it, and the HTTP routes beside it. All of them are put together here."""

from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from emotion import page
from emotion.analyzer import Analyzer
from emotion.api import health, metrics
from emotion.api.door import Door
from emotion.page.inputs import Guarded


def launch_options(analyzer: Analyzer, demo: Guarded) -> dict[str, Any]:
    """What ``Blocks.launch`` takes to serve the page with the routes beside it.

    It is Gradio's own ``launch`` that serves, not another server around it: Spaces, ZeroGPU among them, hang on to it.

    Parameters
    ----------
    analyzer : Analyzer
        The one that the page was built for.
    demo : Guarded
        The page, with its queue.

    Returns
    -------
    dict
        Keyword arguments.
    """
    options = page.launch_options()
    routes: list[BaseRoute] = [Route("/health", health.route(analyzer))]
    middleware = [Middleware(Door)]
    if metrics.wanted():
        measured = metrics.Metrics(analyzer, demo)
        routes.append(Route("/metrics", measured.answer))
        middleware.insert(0, Middleware(metrics.Counted, metrics=measured))
    return options | {"app_kwargs": options["app_kwargs"] | {"middleware": middleware, "routes": routes}}
