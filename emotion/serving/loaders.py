"""Makes the model of a choice. Each kind of model is a class, whose module is imported when it is first asked for."""

import importlib
import threading
from typing import Any

from emotion.checkpoint import Choice
from emotion.messages import InputError
from emotion.serving import transcription
from emotion.serving.workers import MAX_WORKERS, Workers

LOAD_TIMEOUT_S = 120.0  # of speech to text in a worker, with the libraries that run it

# (role, loader) to the class, by its module.
LOADERS = {
    ("text", "emotion"): ("emotion.text.recogniser", "TextRecogniser"),
    ("speech", "emotion"): ("emotion.speech.recogniser", "SpeechRecogniser"),
    ("face", "emotion"): ("emotion.face.recogniser", "FaceRecogniser"),
    ("text", "transformers"): ("emotion.serving.pretrained", "PretrainedText"),
    ("speech", "transformers"): ("emotion.serving.pretrained", "PretrainedSpeech"),
    ("face", "transformers"): ("emotion.serving.pretrained", "PretrainedFace"),
    ("face", "onnx"): ("emotion.serving.onnx", "OnnxFace"),
    ("detector", "yunet"): ("emotion.serving.onnx", "YuNet"),
    ("detector", "blazeface"): ("emotion.face.blazeface", "BlazeFace"),
    ("text", "inference"): ("emotion.serving.remote", "RemoteText"),
    ("speech", "inference"): ("emotion.serving.remote", "RemoteSpeech"),
    ("face", "inference"): ("emotion.serving.remote", "RemoteFace"),
}

_loading = threading.Lock()  # transformers imports its parts when they are first used, which two threads must not do at once


def load(role: str, workers: Workers, choice: Choice) -> Any:
    """The model of a choice.

    Parameters
    ----------
    role : str
        One of ``emotion.serving.weights.ROLES``.
    workers : Workers
        Where speech to text runs.
    choice : Choice
        With its files here.

    Returns
    -------
    model
        As ``load_recogniser``. For speech to text the engine's name, as ``emotion.serving.transcription`` takes it, once every
        worker has loaded the engine.

    Raises
    ------
    InputError
        With the reason, for a model that cannot serve.
    """
    if role != "transcript":
        import cv2
        import torch

        torch.set_num_threads(1)  # the branches are what runs in parallel
        cv2.setNumThreads(1)
        return load_recogniser(role, choice)
    if choice.source == "remote":
        return f"{transcription.REMOTE}{choice.repo}"
    engine = None if choice.source == "pip" else str(choice.path)
    # As many as there are workers: each takes its time, so each worker gets one.
    loading = [workers.submit(transcription.warm, engine, timeout=LOAD_TIMEOUT_S) for _ in range(MAX_WORKERS)]
    for task in loading:
        task.result()
    return engine


def load_recogniser(role: str, choice: Choice) -> Any:
    """The recogniser of a choice, or for the role "detector" its face detector. Takes seconds. Raises InputError as ``load``."""
    loader = choice.loader or "emotion"
    if (role, loader) not in LOADERS:
        raise InputError("loader_unknown", model=choice.name, loader=loader, role=role, known=known(role))
    module, name = LOADERS[role, loader]
    with _loading:
        return getattr(importlib.import_module(module), name)(choice)


def known(role: str) -> tuple[str, ...]:
    """The names of a role's loaders. Those of speech to text are in ``emotion.serving.transcription``, as it runs in workers."""
    return ("whisper", "inference") if role == "transcript" else tuple(loader for of, loader in LOADERS if of == role)
