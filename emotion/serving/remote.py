"""Recognisers around models that a server runs: Hugging Face's inference, or another that speaks its protocol.

The client library finds the token: in HF_TOKEN, or where ``hf auth login`` left it. Calls cost time and money, so an analysis
makes few: one for a text, at most three for a voice and five for a face, and one for each 28 s of speech to be transcribed.
"""

import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import soundfile
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from emotion.checkpoint import Choice, Labels
from emotion.face.detection import shrunk
from emotion.face.reader import FaceReader, coloured
from emotion.messages import InputError, Message
from emotion.readings import Transcript
from emotion.serving.label_map import LabelMap
from emotion.sound import HOP, SAMPLE_RATE
from emotion.speech import prosody
from emotion.speech.reader import Heard, SpeechReader
from emotion.text.reader import TextReader
from emotion.transcript.passages import Passage, pieces, transcript_of

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0  # of each part of a call: connecting, sending, the answer
ATTEMPTS = 2
PAUSE_S = 1.0  # before the second
TOP_K = 64  # labels that are asked for, more than there are: GoEmotions has 28

MAX_CHARS = 1500  # of a text: about 512 tokens, the most that most models take
WINDOW = 500  # frames, 10 s
MAX_WINDOWS = 3
MAX_FRAMES = 5
FACE_SIDE = 256  # pixels: models see 224 at most
JPEG_QUALITY = 95
LONGEST_S = 28.0  # of sound that is sent at once: Whisper, which most servers run, hears 30 s
BELIEF = 0.8  # confidence in each word of a transcript: assumed, as servers give none

REFUSALS = {
    400: Message("remote_refuses_input"),
    401: Message("remote_needs_token"),
    402: Message("remote_out_of_credit"),
    403: Message("remote_forbidden"),
    404: Message("remote_unknown_model"),
    429: Message("remote_busy"),
}
MALFORMED = Message("remote_malformed")
TRANSIENT = (429, 500, 502, 503, 504)  # worth a second attempt


class Server:
    """One model on a server.

    Parameters
    ----------
    name : str
        For errors.
    repo : str or None
        The model's name on the Hub, or the server's address.
    labels : mapping, optional
        What the model's labels mean, by name, as for ``LabelMap.of``.
    headers : dict from str to str, optional
        Sent with every request.

    Raises
    ------
    InputError
        Without a ``repo``, and for labels that are not by name.
    """

    def __init__(self, name: str, repo: str | None, labels: Labels | None = None, headers: dict[str, str] | None = None):
        if not repo:
            raise InputError("remote_without_repo", model=name)
        if labels is not None and not isinstance(labels, Mapping):
            raise InputError("remote_labels_unnamed", model=name)
        self.name, self.labels = name, labels
        router = constants.INFERENCE_PROXY_TEMPLATE.format(provider="hf-inference")
        # The address is what the client would find out, without asking the Hub about the model first.
        address = repo if repo.startswith(("http://", "https://")) else f"{router}/models/{repo}"
        self.client = InferenceClient(address, provider="hf-inference", timeout=TIMEOUT_S, headers=headers)

    def logits(self, task: Callable[..., Any], content: str | bytes) -> np.ndarray:
        """Logits from a classification.

        Parameters
        ----------
        task : callable
            A method of ``client`` that classifies.
        content : str or bytes
            What it takes: a text, or a file's content.

        Returns
        -------
        float64 ndarray of shape (7,)

        Raises
        ------
        InputError
            As ``ask``, and for scores that are not from 0 to 1 or labels that say nothing.
        """
        answer = self.ask(task, content, top_k=TOP_K)
        try:
            names, scores = [str(pair.label) for pair in answer], [float(pair.score) for pair in answer]
        except (AttributeError, TypeError, ValueError):
            names, scores = [], []
        if not scores or not all(0 <= score <= 1 for score in scores):  # not a number is neither
            raise InputError("remote_in_vain", model=self.name, why=MALFORMED)
        logits: np.ndarray = LabelMap.of(names, self.labels).logits(np.array([scores]))[0]
        return logits

    def ask(self, task: Callable[..., Any], content: str | bytes, **parameters: Any) -> Any:
        """The answer to a ``task`` of the client, with ``parameters`` of its own.

        Raises
        ------
        InputError
            Where the server refuses, cannot be reached or gives an answer that cannot be understood, after ATTEMPTS where that
            may pass. It repeats nothing that the server said.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return task(content, **parameters)
            # An answer that it cannot parse raises many types in the client; a score that is not a number a RecursionError.
            except (HTTPError, OSError, ValueError, TypeError, LookupError, RecursionError) as e:
                why, transient = _reason(e)
            if not transient or attempt == ATTEMPTS:
                break
            log.info("%s: %s; it is asked once more", self.name, why)
            time.sleep(PAUSE_S)
        raise InputError("remote_in_vain", model=self.name, why=why)


class RemoteText(TextReader):
    """A text classifier on a server. It reads a text once, as a whole: neither word by word nor by segments."""

    by_segment = False

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.server = Server(choice.name, choice.repo, choice.labels)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        task = self.server.client.text_classification
        return np.stack([self.server.logits(task, shortened(text)) for text in texts])


class RemoteSpeech(SpeechReader):
    """An audio classifier on a server."""

    window = step = WINDOW
    max_windows = MAX_WINDOWS

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.server = Server(choice.name, choice.repo, choice.labels)

    def hear(self, samples: np.ndarray, voice: prosody.Prosody, starts: Sequence[int], length: int) -> Heard:
        first, task = prosody.voiced_span(voice)[0], self.server.client.audio_classification
        parts = [samples[(first + start) * HOP : (first + start + length) * HOP] for start in starts]
        return Heard(np.stack([self.server.logits(task, wav(part)) for part in parts]))


class RemoteFace(FaceReader):
    """An image classifier on a server."""

    max_frames = MAX_FRAMES

    def __init__(self, choice: Choice):
        super().__init__(choice)
        self.server = Server(choice.name, choice.repo, choice.labels)

    def logits(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        task = self.server.client.image_classification
        return np.stack([self.server.logits(task, jpeg(crop)) for crop in crops])


class RemoteTranscriber:
    """Speech to text on a server: a model by its name on the Hub, or a server by its address. One piece of speech a call."""

    def __init__(self, repo: str):
        self.name = repo.rstrip("/").split("/")[-1]
        self.server = Server(self.name, repo, headers={"content-type": "audio/wav"})

    def draft(self, samples: np.ndarray, language: str) -> Transcript:
        """In whatever language the server hears. Raises InputError as ``Server.ask``."""
        found = []
        for start, end in pieces(samples, LONGEST_S):
            piece = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            answer = self.server.ask(self.server.client.automatic_speech_recognition, wav(piece))
            if not isinstance(answer.text, str):
                raise InputError("remote_in_vain", model=self.name, why=MALFORMED)
            found.append(Passage(start, end, answer.text.strip(), BELIEF))
        return transcript_of(self.name, found)

    def checked(self, samples: np.ndarray, heard: Transcript) -> Transcript:
        """As it is: a server says nothing more of it."""
        return heard

    def warm(self) -> None:
        """Nothing: a server is asked when there is something to ask."""


def shortened(text: str) -> str:
    """The first MAX_CHARS of a text, up to the last whole word: servers refuse what their model cannot take."""
    text = text.strip()
    return text if len(text) <= MAX_CHARS else text[:MAX_CHARS].rsplit(maxsplit=1)[0]


def wav(samples: np.ndarray) -> bytes:
    """A recording, float32 (n,) at 16 kHz, as a wav file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def jpeg(crop: np.ndarray) -> bytes:
    """A face as a jpg file, its longer side at most FACE_SIDE."""
    scale = min(1.0, FACE_SIDE / max(crop.shape[:2]))
    picture = cv2.cvtColor(shrunk(coloured(crop), scale), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1].tobytes()


def _reason(e: Exception) -> tuple[Message, bool]:
    """What went wrong, and whether a second attempt may succeed."""
    if isinstance(e, TimeoutError):
        return Message("remote_slow", {"limit": TIMEOUT_S}), True
    if isinstance(e, HfHubHTTPError):
        status = e.response.status_code
        return REFUSALS.get(status) or Message("remote_failed", {"status": status}), status in TRANSIENT
    if isinstance(e, OfflineModeIsEnabled):
        return Message("remote_off"), False
    if isinstance(e, (HTTPError, OSError)):
        return Message("remote_unreachable"), True
    return MALFORMED, False
