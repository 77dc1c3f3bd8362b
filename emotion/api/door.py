"""What of Gradio's HTTP interface is open, and how much may be sent to it."""

import re

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.media.limits import MAX_JSON_BYTES
from emotion.messages import InputError

# Below /gradio_api/, by their first name. Left out is what nobody here needs, some of it a danger: /process_recording runs ffmpeg
# on whatever is sent, /deep_link writes a visitor's session to disk, /proxy= asks other servers.
OPEN = frozenset(
    "api call cancel component_server file heartbeat info mcp openapi.json queue reset run startup-events theme.css upload "
    "upload_progress".split()
)
GRADIO = "/gradio_api/"
CLOSED, OUTSIDE = "closed", "page"


class Door:
    """ASGI middleware. Uploads may be as large as a file, everything else, ``data:`` addresses too, MAX_JSON_BYTES."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = way_of(scope)
        if way == CLOSED:
            return await PlainTextResponse("Not Found", 404)(scope, receive, send)
        if way in (OUTSIDE, "upload"):
            return await self.app(scope, receive, send)
        try:
            body = await _read(receive)
        except InputError as e:
            return await JSONResponse(e.to_dict() | {"message": str(e)}, 413)(scope, receive, send)
        kept = [body]

        async def replayed() -> Message:
            return kept.pop() if kept else await receive()

        return await self.app(scope, replayed, send)


def way_of(scope: Scope) -> str:
    """The first name below /gradio_api/ where it is open, else CLOSED; OUTSIDE for what is not below it."""
    _, gradio, rest = scope.get("path", "").partition(GRADIO)
    if not gradio:
        return OUTSIDE
    name = re.split("[/=]", rest, maxsplit=1)[0]
    return name if name in OPEN else CLOSED


async def _read(receive: Receive) -> Message:
    """The whole body in one message, or the disconnect that came in its place.

    Raises InputError at the first byte too many: what else is sent is not waited for.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > MAX_JSON_BYTES:
            raise InputError("body_too_large", limit=MAX_JSON_BYTES // 2**20)
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body)}
