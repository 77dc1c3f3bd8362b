"""Speech to text by one of three engines: Moonshine, Whisper from a local folder, or a model on a server.

To be called in a worker process, which can be killed past its time limit. Each process builds its engine once.
"""

import functools

import numpy as np

from emotion.readings import Transcript
from emotion.serving.roles import Transcriber
from emotion.transcript.moonshine import Moonshine
from emotion.transcript.whisper import Whisper, code_of, multilingual

REMOTE = "inference:"  # prefix of an engine that a server runs
ENGLISH = ("en", "eng", "english")


def transcribe(samples: np.ndarray, language: str = "en", engine: str | None = None) -> Transcript | None:
    """What is said in a recording.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        In [-1, 1], mono, 16 kHz, any length.
    language : str
        A code such as "en" or "en-US".
    engine : str, optional
        None for Moonshine. Else a local folder with a Whisper model as on the Hugging Face Hub (``config.json`` and
        ``model.safetensors``), or REMOTE followed by a model's name on the Hub or a server's address.

    Returns
    -------
    Transcript or None
        None where the engine does not support the language. Without text where no words were heard (silence, noise, hum, tones,
        knocks), and where it is ``foreign``. The confidence was measured for Moonshine, is Whisper's own belief, and assumed
        for a server.

    Raises
    ------
    InputError
        Where Moonshine cannot run on this machine, the folder holds no Whisper model, or the server gives no answer.

    References
    ----------
    Moonshine: Jeffries et al. 2024. Whisper: Radford et al. 2022.
    """
    heard = draft(samples, language, engine)
    return None if heard is None else checked(samples, heard, engine)


def draft(samples: np.ndarray, language: str = "en", engine: str | None = None) -> Transcript | None:
    """As ``transcribe``, but not ``checked`` yet, for words that may still change. Takes Moonshine half the time."""
    return _engine(engine).draft(samples, language) if supports(language, engine) else None


def checked(samples: np.ndarray, heard: Transcript, engine: str | None = None) -> Transcript:
    """A draft, or some segments of it, with its confidence; without words where it is ``foreign``.

    Parameters
    ----------
    samples : float32 ndarray of shape (n,)
        The recording that the draft was made from.
    heard : Transcript
    engine : str, optional
        As for ``transcribe``, which also says what is raised.

    Returns
    -------
    Transcript
    """
    return _engine(engine).checked(samples, heard)


def supports(language: str, engine: str | None = None) -> bool:
    """Whether the engine can transcribe the language. Loads no engine. Raises InputError for a folder without a Whisper model."""
    if engine is not None and engine.startswith(REMOTE):
        return True  # as far as can be known here
    return code_of(language) in ENGLISH or (engine is not None and multilingual(engine))


def warm(engine: str | None = None) -> None:
    """Builds this process's engine and runs it once: its first transcript then takes no longer than the next, and is the same."""
    _engine(engine).warm()


@functools.lru_cache(maxsize=1)  # a second one would double a worker's memory
def _engine(engine: str | None) -> Transcriber:
    if engine is None:
        return Moonshine()
    if not engine.startswith(REMOTE):
        return Whisper(engine)
    from emotion.serving.remote import RemoteTranscriber

    return RemoteTranscriber(engine.removeprefix(REMOTE))
