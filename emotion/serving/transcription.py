"""Speech to text: Moonshine, or Whisper where its weights are at hand, or a server's model.

To be called in a worker process, which can be killed past its time limit. Each process builds an engine once.
"""

import functools

import numpy as np

from emotion.readings import Transcript
from emotion.serving.roles import Transcriber
from emotion.transcript.moonshine import Moonshine
from emotion.transcript.whisper import Whisper, code_of, multilingual

REMOTE = "inference:"  # before an engine that a server runs
ENGLISH = ("en", "eng", "english")


def transcribe(samples: np.ndarray, language: str = "en", engine: str | None = None) -> Transcript | None:
    """What is said in a recording.

    Parameters: ``samples`` float32 (n,) in [-1, 1], mono, 16 kHz, any length. ``language``: a code such as "en" or "en-US".
    ``engine``: None for Moonshine, or a local folder with a Whisper model as on the Hugging Face Hub: ``config.json`` and
    ``model.safetensors``; or REMOTE and then the name of a model on the Hub that a server runs, or the server's address.

    Returns None where the engine does not know the language (see ``speaks``), and a Transcript without text where no words were
    heard (silence, noise, hum, tones, knocks) and where it is ``foreign``. The times of its segments are those of the recording. Its
    confidence is the expected word accuracy, 0 to 1: measured for Moonshine, for Whisper what the model believes itself.

    Raises InputError when ``engine`` holds no Whisper model, and where Moonshine cannot run on this machine.
    """
    heard = draft(samples, language, engine)
    return None if heard is None else checked(samples, heard, engine)


def draft(samples: np.ndarray, language: str = "en", engine: str | None = None) -> Transcript | None:
    """As ``transcribe``, in half the time where Moonshine hears, and not ``checked`` yet: for words that may still change."""
    return _engine(engine).draft(samples, language) if speaks(language, engine) else None


def checked(samples: np.ndarray, heard: Transcript, engine: str | None = None) -> Transcript:
    """A draft, or some of its segments, with its confidence; without words where it is ``foreign``. ``samples``: what it was made of."""
    return _engine(engine).checked(samples, heard)


def speaks(language: str, engine: str | None = None) -> bool:
    """Whether the engine can write this language down. Loads no engine."""
    if engine is not None and engine.startswith(REMOTE):
        return True  # as far as can be known here
    return code_of(language) in ENGLISH or (engine is not None and multilingual(engine))


def warm(engine: str | None = None) -> None:
    """Builds the engine of this process, so that its first transcript takes no longer than the next, and is the same."""
    _engine(engine).warm()


@functools.lru_cache(maxsize=1)  # a second one would double a worker's memory
def _engine(engine: str | None) -> Transcriber:
    if engine is None:
        return Moonshine()
    if not engine.startswith(REMOTE):
        return Whisper(engine)
    from emotion.serving.remote import RemoteTranscriber

    return RemoteTranscriber(engine.removeprefix(REMOTE))
