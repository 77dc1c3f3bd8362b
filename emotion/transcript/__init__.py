"""Speech to text: Moonshine, or Whisper where its weights are at hand, or a server's model.

To be called in a worker process, which can be killed past its time limit. Each process builds an engine once.
"""

import functools
from typing import Protocol

import numpy as np

from emotion.readings import Transcript
from emotion.transcript.moonshine import Moonshine
from emotion.transcript.whisper import Whisper, code_of, multilingual

REMOTE = "inference:"  # before an engine that a server runs
ENGLISH = ("en", "eng", "english")


def transcribe(samples: np.ndarray, language: str = "en", engine: str | None = None, draft: bool = False) -> Transcript | None:
    """What is said in a recording.

    Parameters: ``samples`` float32 (n,) in [-1, 1], mono, 16 kHz, any length. ``language``: a code such as "en" or "en-US".
    ``engine``: None for Moonshine, or a local folder with a Whisper model as on the Hugging Face Hub: ``config.json`` and
    ``model.safetensors``; or REMOTE and then the name of a model on the Hub that a server runs, or the server's address.
    ``draft``: whether the words are shown for a moment only, while a person goes on speaking: Moonshine then hears once, and measures
    neither how far they can be relied upon nor whether they are English.

    Returns None where the engine does not know the language (see ``speaks``), and a Transcript without text where no words were
    heard: in silence, noise, hum, tones and knocks; nor where it is ``foreign``. The times of its segments are those of the recording. Its confidence is the
    expected word accuracy, 0 to 1: measured for Moonshine, for Whisper what the model believes itself.

    Raises InputError when ``engine`` holds no Whisper model, and where Moonshine cannot run on this machine.
    """
    return _engine(engine).transcript(samples, language, draft) if speaks(language, engine) else None


def speaks(language: str, engine: str | None = None) -> bool:
    """Whether the engine can write this language down. Loads no engine."""
    if engine is not None and engine.startswith(REMOTE):
        return True  # as far as can be known here
    return code_of(language) in ENGLISH or (engine is not None and multilingual(engine))


def warm(engine: str | None = None) -> None:
    """Builds the engine of this process, so that its first transcript takes no longer than the next, and is the same."""
    _engine(engine).warm()


class Engine(Protocol):
    """``name`` is that of ``Transcript.engine``."""

    name: str

    def transcript(self, samples: np.ndarray, language: str, draft: bool = False) -> Transcript: ...

    def warm(self) -> None: ...


@functools.lru_cache(maxsize=1)  # a second one would double a worker's memory
def _engine(engine: str | None) -> Engine:
    if engine is None:
        return Moonshine()
    if not engine.startswith(REMOTE):
        return Whisper(engine)
    from emotion.transcript.remote import RemoteTranscriber

    return RemoteTranscriber(engine.removeprefix(REMOTE))
