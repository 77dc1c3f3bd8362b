"""What a program that is no browser asks of the running app."""

import json
import urllib.request
from pathlib import Path

from tests.running import App


def post(app: App, name: str, body: object) -> dict:
    request = urllib.request.Request(
        f"{app.url}gradio_api/call/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def call(app: App, name: str, *data: object) -> tuple[str, object]:
    """What curl does: post the data, then read the event's last line."""
    event = post(app, name, {"data": list(data)})["event_id"]
    with urllib.request.urlopen(f"{app.url}gradio_api/call/{name}/{event}", timeout=120) as stream:
        lines = [line.decode().strip() for line in stream if line.strip()]
    kind = next(line.removeprefix("event: ") for line in reversed(lines) if line.startswith("event: "))
    return kind, json.loads(lines[-1].removeprefix("data: "))


def upload(app: App, path: Path) -> dict:
    border = "border"
    body = (
        f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
        + path.read_bytes()
        + f"\r\n--{border}--\r\n".encode()
    )
    request = urllib.request.Request(
        f"{app.url}gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={border}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {"path": json.loads(answer.read())[0], "meta": {"_type": "gradio.FileData"}}


def of_live(app: App, function: str, data: object) -> dict:
    """What a function of the tab answers to whoever calls it without the page."""
    config = json.loads(urllib.request.urlopen(app.url + "config", timeout=30).read())
    (number,) = (part["id"] for part in config["components"] if part["props"].get("elem_id") == "live")
    body = json.dumps({"data": data, "component_id": number, "fn_name": function, "session_hash": "stranger"}).encode()
    request = urllib.request.Request(app.url + "gradio_api/component_server/", body, {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=30).read())
