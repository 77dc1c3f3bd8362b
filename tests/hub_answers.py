"""What the Hub of ``hub_server`` answers to each request of the client library; connections and faults are over there.

Files with their hashes (large kinds of files by a redirect to a second origin, as the real Hub sends to its storage), listings,
new repositories, commits, inference. It offers plain HTTP only, never Xet.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

LFS_SUFFIXES = {".safetensors", ".onnx", ".bin", ".pt"}  # kept outside git, named by sha256; the rest by git's sha1
POINTER_BYTES = 134  # of the text that stands in git for such a file
USER = "tester"  # whose token every token is


@dataclass
class Request:
    """One request as it came. The status is None until the head of its answer is sent."""

    method: str
    path: str  # with the query
    headers: dict[str, str]  # names in small letters
    body: bytes = b""
    status: int | None = None

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: object, status: int = 200, **headers: str) -> "Answer":
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})

    @classmethod
    def refusal(cls, status: int, error: str, message: str, **headers: str) -> "Answer":
        named = {"X-Error-Code": error} if error else {}
        return cls.of({"error": message}, status, **{"X-Error-Message": message}, **named, **headers)


class Refused(Exception):
    """Ends a request with this status, error code and message."""


class Hub:
    """What is on a Hub: repositories with their revisions, uploaded objects, models that answer inference."""

    def __init__(self, url: str, storage_url: str) -> None:
        self.url = url
        self.storage_url = storage_url  # of large files: another origin, to which a client must not send its token
        self.objects: dict[str, bytes] = {}  # uploaded large files by sha256
        self._revisions: dict[tuple[str, str], dict[str, dict[str, bytes]]] = {}  # by kind and name; the newest is the last
        self._inference: dict[str, object] = {}
        self._lock = threading.RLock()

    def add_model(self, name: str, files: dict[str, bytes], revision: str | None = None) -> str:
        """Makes ``files`` the newest revision of a model and returns its name, 40 hexadecimal digits."""
        return self.add_revision("model", name, files, revision)

    def add_revision(self, kind: str, name: str, files: dict[str, bytes], revision: str | None = None) -> str:
        if revision is None:
            hashes = {path: git_hash(content) for path, content in files.items()}
            revision = hashlib.sha1(json.dumps([kind, name, hashes], sort_keys=True).encode()).hexdigest()
        with self._lock:
            revisions = self._revisions.setdefault((kind, name), {})
            revisions.pop(revision, None)  # so that it becomes the last
            revisions[revision] = dict(files)
        return revision

    def exists(self, kind: str, name: str) -> bool:
        return (kind, name) in self._revisions

    def files(self, name: str, kind: str = "model") -> dict[str, bytes]:
        """The files of the newest revision, by their path."""
        return dict(self.find(kind, name, "main")[1])

    def find(self, kind: str, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        """A revision's full name and files; ``main`` is the newest one."""
        with self._lock:
            revisions = self._revisions.get((kind, name))
            if not revisions:
                raise Refused(404, "RepoNotFound", "Repository not found")
            found = list(revisions)[-1] if revision == "main" else revision
            if found not in revisions:
                raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return found, revisions[found]

    def answer_inference(self, name: str, answer: object) -> str:
        """Sets what a model answers and returns the address for an InferenceClient.

        ``answer`` is sent as JSON, and bytes as they are. A function is called with the Request and returns one or the other.
        """
        self._inference[name] = answer
        return f"{self.url}/inference/{quote(name)}"

    def infer(self, name: str, request: Request) -> Answer:
        if name not in self._inference:
            raise Refused(404, "", f"Model {name} does not exist")
        answer = self._inference[name]
        if callable(answer):
            answer = answer(request)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Answer(200, content, {"Content-Type": "application/json"})


REPO, REVISION, FILE = r"(?P<repo>[^/]+/[^/]+)", r"(?P<revision>[^/]+)", r"(?P<file>.+)"
KIND, API_KIND = r"(?:(?P<kind>space)s/)?", r"(?P<kind>model|space)s"
ROUTES: list[tuple[str, re.Pattern, Callable[..., Answer]]] = []


def answers(method: str, pattern: str) -> Callable:
    """Has a function answer the paths of this pattern; its groups are arguments."""

    def register(respond: Callable[..., Answer]) -> Callable[..., Answer]:
        ROUTES.append((method, re.compile(pattern), respond))
        return respond

    return register


def route(request: Request) -> tuple[Callable[..., Answer], dict[str, str]]:
    """The function for a request, and its arguments."""
    path = urlsplit(request.path).path
    method = "GET" if request.method == "HEAD" else request.method
    for known, pattern, respond in ROUTES:
        if known == method and (match := pattern.fullmatch(path)):
            named = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
            return respond, named | ({"kind": named.get("kind", "model")} if "kind" in pattern.groupindex else {})
    return unknown, {}


def unknown(hub: Hub, request: Request) -> Answer:
    raise Refused(404, "", f"no answer to {request.method} {request.path}")


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path: str) -> bool:
    return PurePosixPath(path).suffix in LFS_SUFFIXES


def etag(path: str, content: bytes) -> str:
    """What names the content of a file to the client: sha256 of large kinds, git's hash of others."""
    return hashlib.sha256(content).hexdigest() if is_lfs(path) else git_hash(content)


@answers("GET", rf"/{KIND}{REPO}/resolve/{REVISION}/{FILE}")
def resolve(hub: Hub, request: Request, kind: str, repo: str, revision: str, file: str) -> Answer:
    commit, files = hub.find(kind, repo, revision)
    if file not in files:
        raise Refused(404, "EntryNotFound", f"{file} does not exist on {revision}")
    content, headers = files[file], {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    name = etag(file, content)
    if not is_lfs(file):
        return Answer(200, content, {**headers, "ETag": f'"{name}"'})
    headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{name}"'}
    return Answer(302, b"Found", {**headers, "Location": f"{hub.storage_url}/storage/{kind}s/{repo}/{commit}/{quote(file)}"})


@answers("GET", rf"/storage/{API_KIND}/{REPO}/{REVISION}/{FILE}")
def stored(hub: Hub, request: Request, kind: str, repo: str, revision: str, file: str) -> Answer:
    content = hub.find(kind, repo, revision)[1][file]
    return Answer(200, content, {"ETag": f'"{etag(file, content)}"', "Accept-Ranges": "bytes"})


@answers("GET", rf"/api/{API_KIND}/{REPO}(?:/revision/{REVISION})?")
def repo_info(hub: Hub, request: Request, kind: str, repo: str, revision: str = "main") -> Answer:
    commit, files = hub.find(kind, repo, revision)
    siblings = [{"rfilename": path} for path in sorted(files)]
    return Answer.of({"id": repo, "author": repo.partition("/")[0], "sha": commit, "private": False, "siblings": siblings})


@answers("GET", rf"/api/{API_KIND}/{REPO}/tree/{REVISION}")
def tree(hub: Hub, request: Request, kind: str, repo: str, revision: str) -> Answer:
    """All files, as with ``recursive``: without folders, which the client leaves out."""
    entries = []
    for path, content in sorted(hub.find(kind, repo, revision)[1].items()):
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
        if is_lfs(path):
            entry["lfs"] = {"oid": etag(path, content), "size": len(content), "pointerSize": POINTER_BYTES}
        entries.append(entry)
    return Answer.of(entries)


@answers("GET", "/api/whoami-v2")
def whoami(hub: Hub, request: Request) -> Answer:
    with_token(request)
    token = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
    return Answer.of({"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": token})


@answers("POST", "/api/repos/create")
def create(hub: Hub, request: Request) -> Answer:
    """A new repository is empty, without the .gitattributes of a real one."""
    with_token(request)
    wanted = request.json()
    kind, repo = wanted.get("type", "model"), f"{wanted['organization'] or USER}/{wanted['name']}"
    if kind == "space" and not wanted.get("sdk"):
        raise Refused(400, "", "a Space needs its sdk")
    url = f"{hub.url}/{'spaces/' if kind == 'space' else ''}{repo}"
    if hub.exists(kind, repo):
        return Answer.of({"error": "You already created this repo", "url": url}, 409)
    hub.add_revision(kind, repo, {})
    return Answer.of({"url": url, "name": repo})


@answers("POST", "/api/validate-yaml")
def validate_front_matter(hub: Hub, request: Request) -> Answer:
    """Asks only that a Space's README has front matter that names its sdk."""
    sent = request.json()
    if sent["repoType"] == "space" and not re.match(r"---\n(.*\n)*?sdk: \w+\n(.*\n)*?---\n", sent["content"]):
        return Answer.of({"errors": [{"message": '"sdk" is required'}], "warnings": []}, 400)
    return Answer.of({"errors": [], "warnings": []})


@answers("POST", rf"/api/{API_KIND}/{REPO}/preupload/{REVISION}")
def preupload(hub: Hub, request: Request, kind: str, repo: str, revision: str) -> Answer:
    """How each file is to be sent, and the hash of the one that is there already."""
    with_token(request)
    present = hub.find(kind, repo, revision)[1]
    said = []
    for path in (file["path"] for file in request.json()["files"]):
        mode = {"path": path, "uploadMode": "lfs" if is_lfs(path) else "regular", "shouldIgnore": False}
        said.append(mode | ({"oid": etag(path, present[path])} if path in present else {}))
    return Answer.of({"files": said})


@answers("POST", rf"/{KIND}{REPO}\.git/info/lfs/objects/batch")
def batch(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    """Where each large file goes; one that is there already goes nowhere."""
    with_token(request)
    objects = []
    for entry in request.json()["objects"]:
        upload = {"href": f"{hub.storage_url}/upload/{kind}s/{repo}/{entry['oid']}"}
        verify = {"href": f"{hub.url}/{'spaces/' if kind == 'space' else ''}{repo}.git/info/lfs/objects/verify"}
        objects.append(entry | ({} if entry["oid"] in hub.objects else {"actions": {"upload": upload, "verify": verify}}))
    return Answer.of({"transfer": "basic", "objects": objects})


@answers("PUT", rf"/upload/{API_KIND}/{REPO}/(?P<oid>[0-9a-f]{{64}})")
def upload(hub: Hub, request: Request, kind: str, repo: str, oid: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise Refused(400, "", "the content has another sha256")
    hub.objects[oid] = request.body
    return Answer()


@answers("POST", rf"/{KIND}{REPO}\.git/info/lfs/objects/verify")
def verify(hub: Hub, request: Request, kind: str, repo: str) -> Answer:
    with_token(request)
    sent = request.json()
    if len(hub.objects.get(sent["oid"], b"")) != sent["size"]:
        raise Refused(404, "", "the object is not there")
    return Answer.of({})


@answers("POST", rf"/api/{API_KIND}/{REPO}/commit/{REVISION}")
def commit(hub: Hub, request: Request, kind: str, repo: str, revision: str) -> Answer:
    with_token(request)
    parent, files = hub.find(kind, repo, revision)
    changed = dict(files)
    for line in request.body.splitlines():
        entry = json.loads(line)
        change(hub, parent, changed, entry["key"], entry["value"])
    oid = hub.add_revision(kind, repo, changed)
    url = f"{hub.url}/{'spaces/' if kind == 'space' else ''}{repo}/commit/{oid}"
    return Answer.of({"success": True, "commitOid": oid, "commitUrl": url})


def change(hub: Hub, parent: str, files: dict[str, bytes], key: str, value: dict) -> None:
    """One line of a commit."""
    if key == "header":
        if value.get("parentCommit", parent) != parent:
            raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
    elif key == "file":
        files[value["path"]] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        if value["oid"] not in hub.objects:
            raise Refused(400, "", f"{value['path']} was not uploaded")
        files[value["path"]] = hub.objects[value["oid"]]
    elif key == "deletedFile":
        del files[value["path"]]
    elif key == "deletedFolder":
        for path in [path for path in files if path.startswith(value["path"].rstrip("/") + "/")]:
            del files[path]
    else:
        raise Refused(400, "", f"unknown operation {key}")


@answers("POST", "/inference/(?P<repo>.+)")
def infer(hub: Hub, request: Request, repo: str) -> Answer:
    return hub.infer(repo, request)


def with_token(request: Request) -> None:
    """What only a user may do; any token will do."""
    if not request.authorization:
        raise Refused(401, "", "Invalid username or password.")
