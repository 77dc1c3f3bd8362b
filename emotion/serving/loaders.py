"""Makes the model of an entry of weights.yaml: each kind of model is a class in a module that is imported when it is asked for."""

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

_loading = threading.Lock()  # transformers imports its parts when they are asked for, which two threads must not do at once


def load(role: str, workers: Workers, choice: Choice) -> Any:
    """The model of a choice whose files are there; of speech to text, which runs in the workers, its engine, once each could load it."""
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
    """The recogniser, or for the role "detector" the face detector, that ``choice`` describes; takes seconds.

    Raises InputError, with the reason, for a model that cannot serve.
    """
    loader = choice.loader or "emotion"
    if (role, loader) not in LOADERS:
        raise InputError("loader_unknown", model=choice.name, loader=loader, role=role, known=known(role))
    module, name = LOADERS[role, loader]
    with _loading:
        return getattr(importlib.import_module(module), name)(choice)


def known(role: str) -> tuple[str, ...]:
    """The loaders of a role; those of speech to text, which runs in workers, belong to ``emotion.serving.transcription``."""
    return ("whisper", "inference") if role == "transcript" else tuple(loader for of, loader in LOADERS if of == role)
