"""Runs the modalities side by side and assembles the Analysis."""

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from emotion import media, timeline
from emotion.baseline import Baseline
from emotion.checkpoint import Choice
from emotion.fusion import fuse
from emotion.labels import LABELS, MODALITIES
from emotion.media import limits, sandbox
from emotion.messages import InputError, Message, reason
from emotion.readings import Analysis, FaceReading, Frame, Media, ModelInfo, Reading, TextReading, Transcript
from emotion.serving import transcription, weights
from emotion.serving.lanes import Lanes
from emotion.serving.loaders import load
from emotion.serving.roles import FaceModel, SpeechModel, TextModel
from emotion.serving.slots import Fetcher, Model, Serving, Slot, Slots, Status
from emotion.serving.workers import Workers
from emotion.sound import SAMPLE_RATE

log = logging.getLogger(__name__)

TOLD_EVERY_S = 1.0  # the longest time between two reports of progress

BASELINE_NOTES = ("baseline_applied", "baseline_not_applied")

Audio = str | os.PathLike | tuple[np.ndarray, int]
Video = str | os.PathLike | list[Frame] | tuple[Frame, ...]
Image = str | os.PathLike | np.ndarray
Progress = Callable[[float, Message], None]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Answer(Generic[T]):
    """What a model gave back.

    ``value``: None where it found nothing. ``serving``: the model that answered. ``notes``: what a reader should know of it.
    ``ms``: milliseconds that it took.
    """

    value: T | None
    serving: Serving[Any]
    notes: tuple[Message, ...] = ()
    ms: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A model that did not answer: ``notes`` say why. ``ms``: milliseconds that it took."""

    notes: tuple[Message, ...]
    ms: float = 0.0
    value: None = None


@dataclass(frozen=True, eq=False)
class Branch:
    """The result of one branch of an analysis: the ``answers`` of its models, by role, and what follows from them."""

    answers: Mapping[str, Answer[Any] | Failure]
    reading: Reading | None
    absence: Message  # says why there is no reading, where every model answered
    transcript: Transcript | None = None

    @property
    def notes(self) -> tuple[Message, ...]:
        of_models = tuple(note for answer in self.answers.values() for note in answer.notes)
        failed = any(isinstance(answer, Failure) for answer in self.answers.values())
        return of_models if failed or self.reading is not None else (*of_models, self.absence)


@dataclass(frozen=True)
class _Request:
    """Checked input. ``sound`` and ``pictures`` decode it in a worker, or are None where there is none."""

    text: str | None
    sound: Callable[[], Future] | None
    pictures: Callable[[], Future] | None
    still: bool  # a picture, not a video
    transcribe: bool
    language: str

    @property
    def needs_transcript(self) -> bool:
        return self.text is None and self.sound is not None and self.transcribe


class Analyzer:
    """Reads text, voice and face side by side and fuses them. Thread-safe. ``close()`` ends its worker processes early.

    Models load at their first use, or all in the background with ``warm()``.

    Parameters
    ----------
    source : str, optional
        "auto" (Hub or cache, else bundled), "hub" or "bundled"; by default EMOTION_SOURCE, or "auto".
    weights_file : str or Path, optional
        A file in the format of weights.yaml; by default EMOTION_WEIGHTS, or the project's own.

    Attributes
    ----------
    text, speech, face : TextModel, SpeechModel, FaceModel
        The recognisers that serve, loaded first where none is; each has ``predict``.
    slots : Slots
        By role, which model serves it and which may.
    workers : Workers
        The processes that write speech down.
    decoders : Workers
        Those that decode media, each file in a sandbox. They never hold what a visitor said or showed.
    lanes : Lanes
        Whose turn it is, for whatever serves many visitors with this analyzer. ``analyze`` itself does not wait for one.
    observe : callable
        Called at the end of each ``analyze`` with the Analysis, or with the exception that ended it; by default nothing happens.

    Raises
    ------
    InputError
        For an unknown ``source``, a weights file that is not valid, or a role for which it has no model of that source.
    """

    def __init__(self, source: str | None = None, weights_file: str | Path | None = None):
        source = source or os.environ.get("EMOTION_SOURCE") or "auto"
        self._choices = choices = weights.read(weights_file)
        self.workers, self.decoders, self.lanes, self._fetch = Workers(), Workers(), Lanes(), Fetcher()
        self.observe: Callable[[Analysis | Exception], object] = lambda outcome: None
        self.slots = Slots(
            (role, Slot(role, weights.allowed(choices, role, source), functools.partial(load, role, self.workers), self._fetch))
            for role in weights.ROLES
        )

    def serving(self, role: str) -> Serving[Any]:
        """What serves a role now, loaded first where nothing is. Raises InputError where no model can serve."""
        return self.slots[role].get()

    @property
    def weights(self) -> dict[str, float]:
        """The fusion weight of each modality's model; while none is loaded, that of its fallback."""
        return {role: self.weight_of(role, self.slots[role].expected()) for role in MODALITIES}

    def weight_of(self, role: str, choice: Choice) -> float:
        """The fusion weight, >= 0, of a modality's model: its own, or that fitted for the modality's bundled model."""
        return weights.fusion_weight(role, choice, self._choices[role])

    @property
    def text(self) -> TextModel:
        return self.slots.text.get().model

    @property
    def speech(self) -> SpeechModel:
        return self.slots.speech.get().model

    @property
    def face(self) -> FaceModel:
        return self.slots.face.get().model

    def warm(self) -> None:
        """Start to fetch and load every model in the background. A request waits only for what it needs and is not here yet."""
        sandbox.refusal()
        self.decoders.warm(sandbox.warm)
        self.workers.warm(transcription.warm)
        for slot in self.slots.values():
            threading.Thread(target=slot.warm, daemon=True).start()

    def status(self) -> dict[str, Status]:
        """How each role stands.

        Returns
        -------
        dict from str to Status
            By role, those of ``emotion.serving.weights.ROLES``: the state, the model's name, and why no better one serves.
        """
        return {role: slot.status for role, slot in self.slots.items()}

    def close(self) -> None:
        """End the downloads and the worker processes."""
        self._fetch.close()
        self.workers.close()
        self.decoders.close()

    def analyze(
        self,
        text: str | None = None,
        audio: Audio | None = None,
        video: Video | None = None,
        image: Image | None = None,
        transcribe: bool = True,
        *,
        language: str = "en",
        baseline: Baseline | None = None,
        progress: Progress | None = None,
    ) -> Analysis:
        """Read whatever is given and fuse it.

        Parameters
        ----------
        text : str, optional
            At most ``media.MAX_TEXT_CHARS`` characters; blank counts as none. With it, sound is not transcribed.
        audio : path, or (samples, sample_rate), optional
            A file, or samples and their rate in Hz as ``media.from_samples`` takes them.
        video : path, or list or tuple of Frame, optional
            A file, whose sound is read unless ``audio`` is given; or frames in order of time, about ``media.FRAME_RATE`` a
            second and at most ``media.MAX_FRAMES``.
        image : path, or uint8 ndarray of shape (h, w), (h, w, 3) or (h, w, 4), optional
            A file, or grey, RGB or RGBA. Not together with ``video``.
        transcribe : bool
            Whether words are taken from the sound.
        language : str
            That of the speech, a code such as "en" or "en-US". Words are left out where the engine does not know it.
        baseline : Baseline, optional
            The person's, of ``baseline()``: taken out of the readings of voice and face, as ``with_baseline``.
        progress : callable, optional
            Called with the share that is done, 0 to 1, and a Message that names the stage, at least every TOLD_EVERY_S. What it
            raises ends the analysis, and its tasks in worker processes with it: so is one ended that nobody waits for.

        Returns
        -------
        Analysis
            A modality that cannot be read is left out, and a note says why.

        Raises
        ------
        InputError
            Before any model loads: for a wrong type, for a file that is no such media, and for what breaks a limit of
            ``emotion.media``. While decoding: where sound and pictures, of those given, both fail.
        """
        if baseline is not None and not isinstance(baseline, Baseline):
            raise InputError("baseline_type", type=type(baseline).__name__)
        try:
            request = self._request(text, audio, video, image, transcribe, language)
            analysis, ms = _timed(_Job(self, request, baseline, progress or (lambda share, stage: None)).run)
        except Exception as e:
            self.observe(e)
            raise
        analysis = replace(analysis, timings_ms=analysis.timings_ms | {"total": ms})
        self.observe(analysis)
        return analysis

    def baseline(self, audio: Audio | None = None, video: Video | None = None, image: Image | None = None) -> Baseline:
        """A person's baseline, from about ten seconds in which they read a plain text aloud with a plain face.

        Parameters
        ----------
        audio, video, image
            As for ``analyze``; at least one.

        Returns
        -------
        Baseline
            Of the voice, the face or both: what was found, where the model that read it has a ``neutral`` in the weights file.

        Raises
        ------
        InputError
            As ``analyze``; where no voice and no face is found, or only by models without a ``neutral``; and for what is not
            plain or hardly allows a reading, as ``Baseline.of``.
        """
        if audio is None and video is None and image is None:
            raise InputError("baseline_input_missing")
        return self.baseline_of(self.analyze(audio=audio, video=video, image=image, transcribe=False))

    def baseline_of(self, analysis: Analysis) -> Baseline:
        """The baseline of a person from what was read already. Instant: no model runs.

        Parameters
        ----------
        analysis : Analysis
            Of ``analyze``. A baseline that was applied to it does not count.

        Returns
        -------
        Baseline

        Raises
        ------
        InputError
            As ``baseline``.
        """
        read = {name: reading.without_baseline or reading for name, reading in analysis.modalities.items() if name != "text"}
        if not read:
            why = [note for note in analysis.notes if note.code != "nothing_to_read"]
            raise InputError("baseline_nothing_read", why=why) if why else InputError("baseline_input_missing")
        neutral = {name: self._neutral(name, analysis.models[name]) for name in read}
        measured = {name: row for name, row in neutral.items() if row is not None}
        if not measured:
            raise InputError("baseline_not_measured", model=[analysis.models[name].name for name in neutral])
        return Baseline.of({name: read[name] for name in measured}, measured)

    def with_baseline(
        self, analysis: Analysis, baseline: Baseline | None, weights: Mapping[str, float] | None = None
    ) -> Analysis:
        """The same analysis by another baseline, or by none. Instant: no model runs.

        Parameters
        ----------
        analysis : Analysis
            Of ``analyze`` or what was made of it. One of ``Analysis.from_dict`` has not all that the timeline is made of.
        baseline : Baseline or None
            Instead of the one that was applied, if any.
        weights : mapping from str to float, optional
            As for ``with_weights``; by default those of the models that serve.

        Returns
        -------
        Analysis
            A note says of each modality with offsets what they changed, or that its model takes none.

        Raises
        ------
        InputError
            For weights, as ``with_weights``.
        """
        readings = {name: reading.without_baseline or reading for name, reading in analysis.modalities.items()}
        notes = [note for note in analysis.notes if note.code not in BASELINE_NOTES]
        for name, before in tuple(readings.items()):
            if baseline is None or name not in baseline.offsets:
                continue
            model = analysis.models[name]
            if self._neutral(name, model) is None:
                notes.append(Message("baseline_not_applied", {"modality": name, "model": model.name}))
                continue
            readings[name] = after = baseline.apply(before)
            mood, unchanged = round(after.mood, 2), round(before.mood, 2)
            notes.append(Message("baseline_applied", {"modality": name, "mood": mood, "before": unchanged}))
        spans = timeline.spans(readings, analysis.duration) if analysis.timeline else ()
        changed = replace(analysis, modalities=readings, notes=tuple(notes), timeline=spans)
        return self.with_weights(changed, weights or self.weights)

    def _neutral(self, role: str, model: ModelInfo) -> np.ndarray | None:
        """What a baseline is measured from: how a model reads plain people, (7,); None where nobody measured it."""
        values = next((choice.neutral for choice in self._choices[role] if choice.info == model), None)
        return None if values is None else np.array([values[label] for label in LABELS])

    def with_weights(self, analysis: Analysis, weights: Mapping[str, float]) -> Analysis:
        """The same readings, fused by other weights. Instant: no model runs.

        Parameters
        ----------
        analysis : Analysis
        weights : mapping from str to float
            By modality, each >= 0; one that is not named has none.

        Returns
        -------
        Analysis
            With another ``fusion``, and other moods in the timeline.

        Raises
        ------
        InputError
            For a weight that is negative or not finite, or of an unknown modality.
        """
        fused = tuple(timeline.fused(span, analysis.modalities, weights) for span in analysis.timeline)
        return replace(analysis, fusion=fuse(analysis.modalities, weights), timeline=fused)

    def with_text(self, analysis: Analysis, text: str, weights: Mapping[str, float] | None = None) -> Analysis:
        """The same analysis with a typed or corrected text: only the text model and the fusion run.

        Parameters
        ----------
        analysis : Analysis
        text : str
            In place of what was typed or heard, at most ``media.MAX_TEXT_CHARS`` characters; blank takes the words away.
        weights : mapping from str to float, optional
            As for ``with_weights``; by default those of the models that serve.

        Returns
        -------
        Analysis
            Its timeline has no words: typed ones have no times.

        Raises
        ------
        InputError
            For a text that is none or too long, and for weights as ``with_weights``.
        """
        words = _checked_text(text)
        answer = None if words is None else self._read_text(words)
        reading = answer.value if answer else None
        others = {name: r for name, r in analysis.modalities.items() if name != "text"}
        spans = (replace(s, modalities={n: p for n, p in s.modalities.items() if n != "text"}) for s in analysis.timeline)
        changed = replace(
            analysis,
            modalities=_ordered({**others, "text": reading} if reading else others),
            transcript=Transcript(words, 1.0, "typed") if words else None,
            timeline=tuple(span for span in spans if span.modalities),
            models=analysis.models | ({"text": answer.serving.choice.info} if answer and reading else {}),
            notes=analysis.notes + (answer.notes if answer else ()),
        )
        return self.with_weights(changed, weights or self.weights)

    def _read_text(self, text: str) -> Answer[TextReading]:
        slot = self.slots.text
        return self.read_by(slot, slot.get(), lambda model: model.read(text))

    def read_by(self, slot: Slot[Model], serving: Serving[Model], read: Callable[[Model], T | None]) -> Answer[T]:
        """What a slot's model reads. Where a remote one does not answer, the slot's fallback reads instead, with a note.

        Raises TimeoutError after READING_TIMEOUT_S. Raises what ``read`` raises, where there is no fallback or the model is not
        remote.
        """
        limit = None if slot.role == "transcript" else limits.READING_TIMEOUT_S  # a worker's own limit ends speech to text
        return _within(limit, lambda: self._read_by(slot, serving, read))

    def _read_by(self, slot: Slot[Model], serving: Serving[Model], read: Callable[[Model], T | None]) -> Answer[T]:
        try:
            return Answer(read(serving.model), serving)
        except Exception as e:
            fallback = slot.fallback() if serving.choice.source == "remote" else None
            if fallback is None:
                raise
            log.warning("%s: %s: %s", slot.role, serving.choice.name, e)
            model, substitute = serving.choice.name, fallback.choice.name
            note = Message("model_fell_back", {"role": slot.role, "model": model, "fallback": substitute, "why": reason(e)})
            return Answer(read(fallback.model), fallback, (note,))

    def transcribed(self, samples: np.ndarray, language: str, engine: str | None) -> Future[Transcript | None]:
        """What is said, as ``transcription.transcribe``, in a worker process. TimeoutError past the time limit."""
        return self._heard(transcription.transcribe, samples, language, engine)

    def speech_to_text(self, function: Callable[..., T], samples: np.ndarray, *arguments: Any) -> T:
        """Speech to text by a ``function`` of ``emotion.serving.transcription``, in a worker process.

        Raises TimeoutError past TRANSCRIPT_TIMEOUT_S and TRANSCRIPT_RATE for each second of sound.
        """
        return self._heard(function, samples, *arguments).result()

    def _heard(self, function: Callable[..., T], samples: np.ndarray, *arguments: Any) -> Future[T]:
        limit = limits.TRANSCRIPT_TIMEOUT_S + limits.TRANSCRIPT_RATE * len(samples) / SAMPLE_RATE
        return self.workers.submit(function, samples, *arguments, timeout=limit)

    def _request(
        self, text: str | None, audio: Audio | None, video: Video | None, image: Image | None, transcribe: bool, language: str
    ) -> _Request:
        if video is not None and image is not None:
            raise InputError("video_and_image")
        sound = pictures = None
        if isinstance(video, (list, tuple)):
            pictures = _done(_checked_frames(video)) if len(video) else None
        elif video is not None:
            probe = self.probe(video)
            if probe.kind == "image":
                raise InputError("picture_not_video", file=Path(video).name)
            sound = self._deferred(media.decode_audio, video) if probe.has_audio else None
            pictures = self._deferred(media.decode_frames, video) if probe.has_video else None
        if isinstance(image, np.ndarray):
            pictures = _done(media.decode_image(image))
        elif image is not None:
            if self.probe(image).kind != "image":
                raise InputError("not_a_picture", file=Path(image).name)
            pictures = self._deferred(media.decode_image, image)
        if isinstance(audio, tuple):
            sound = _done(media.from_samples(*audio))
        elif audio is not None:
            if not self.probe(audio).has_audio:
                raise InputError("no_sound_track", file=Path(audio).name)
            sound = self._deferred(media.decode_audio, audio)
        return _Request(_checked_text(text), sound, pictures, image is not None, transcribe, language)

    def probe(self, path: str | os.PathLike) -> media.Probe:
        """What a file holds, as ``media.probe``, in a sandbox."""
        found: media.Probe = self.decoders.submit(sandbox.decoded, media.probe, path, timeout=limits.PROBE_TIMEOUT_S).result()
        return found

    def _deferred(self, function: Callable, path: str | os.PathLike) -> Callable[[], Future]:
        return lambda: self.decoders.submit(sandbox.decoded, function, path, timeout=limits.MEDIA_TIMEOUT_S)


class _Job:
    """One analysis. Its branches run side by side, and each returns its result."""

    def __init__(self, analyzer: Analyzer, request: _Request, baseline: Baseline | None, progress: Progress):
        self.analyzer, self.request, self.baseline, self.progress = analyzer, request, baseline, progress
        at_first = {role: slot.now() for role, slot in analyzer.slots.items()}
        # No role's model changes within one analysis. One that is not loaded yet is loaded when it is asked for.
        self._settled = functools.cache(lambda role: at_first[role] or analyzer.serving(role))
        self._tasks: list[Future] = []  # in worker processes
        self._wanted = True

    def serving(self, slot: Slot[Model]) -> Serving[Model]:
        """What serves a slot's role throughout this analysis."""
        serving: Serving[Model] = self._settled(slot.role)
        return serving

    def run(self) -> Analysis:
        request = self.request
        self.progress(0.05, Message("reading_file"))
        sound, pictures = request.sound and request.sound(), request.pictures and request.pictures()
        self._tasks += [task for task in (sound, pictures) if task is not None]
        branches: dict[str, Callable[[], Branch]] = {}
        if request.text is not None or request.needs_transcript:
            branches["text"] = lambda: self._text(sound)
        if sound is not None:
            branches["speech"] = lambda: self._speech(sound)
        if pictures is not None:
            branches["face"] = lambda: self._face(pictures)
        with ThreadPoolExecutor(max_workers=len(branches) + 1) as pool:
            running = {name: pool.submit(branch) for name, branch in branches.items()}
            decoding = pool.submit(_timed, lambda: self._decoded(sound, pictures))
            self._report([*running.values(), decoding], {future: name for name, future in running.items()})
        decoded, ms = decoding.result()
        return self._assembled({name: future.result() for name, future in running.items()}, decoded, ms)

    def _report(self, futures: Sequence[Future], names: Mapping[Future, str]) -> None:
        """Tells how far they are until all are done. Where a report raises, nobody waits: the tasks in workers are cancelled."""
        pending, read, stage = {*futures}, 0, Message("reading_file")
        try:
            while pending:
                done, pending = wait(pending, TOLD_EVERY_S, FIRST_COMPLETED)
                for name in (names[future] for future in done if future in names):
                    read, stage = read + 1, Message("modality_read", {"modality": name})
                self.progress(0.05 + 0.9 * read / max(1, len(names)), stage)
        except BaseException:
            self._wanted = False
            for task in self._tasks:
                task.cancel()
            raise

    def _ask(
        self, branch: str, slot: Slot[Model], read: Callable[[Model], T | None], needs: Future | None = None
    ) -> Answer[T] | Failure:
        """What a slot's model reads, once the input that it ``needs`` is decoded.

        Where either fails, the note says that the ``branch`` is left out, and why.
        """
        start = time.perf_counter()
        answer: Answer[T] | Failure
        try:
            if needs is not None:
                needs.result()
            start = time.perf_counter()
            answer = self.analyzer.read_by(slot, self.serving(slot), read)
        except CancelledError:  # nobody waits for the answer
            raise
        except Exception as e:
            known = isinstance(e, InputError)  # its sentence names the file, which is the visitor's
            log.warning("the %s branch failed: %s", branch, reason(e).code, exc_info=None if known else e)
            answer = Failure((Message("modality_left_out", {"modality": branch, "why": reason(e)}),))
        return replace(answer, ms=(time.perf_counter() - start) * 1000.0)

    def _text(self, sound: Future | None) -> Branch:
        """Typed words are read; where there are none, the sound is transcribed first."""
        if self.request.text is not None or sound is None:
            return self._read_words({}, Transcript(self.request.text or "", 1.0, "typed"), Message("no_word"))
        slot = self.analyzer.slots.transcript
        answer = self._ask("text", slot, lambda engine: self._transcribed(sound.result(), engine), sound)
        heard = answer.value
        if heard is None:
            return Branch({"transcript": answer}, None, Message("language_not_written", {"language": self.request.language}))
        absence = Message("not_english") if heard.foreign else Message("no_words_heard")
        return self._read_words({"transcript": answer}, heard, absence)

    def _read_words(self, answers: Mapping[str, Answer[Any] | Failure], words: Transcript, absence: Message) -> Branch:
        """Reads a transcript. ``answers``: those that it came from; ``absence``: why it may be empty."""
        if not words.text:
            return Branch(answers, None, absence, words)
        slot = self.analyzer.slots.text
        answer = self._ask("text", slot, lambda model: model.read(words.text, words.reliability, words.segments))
        return Branch({**answers, "text": answer}, answer.value, absence, words)

    def _transcribed(self, samples: np.ndarray, engine: str | None) -> Transcript | None:
        """None where the engine does not know the language: no worker is asked then."""
        language = self.request.language
        if not transcription.supports(language, engine):
            return None
        task = self.analyzer.transcribed(samples, language, engine)
        self._tasks.append(task)
        if not self._wanted:
            task.cancel()
        return task.result()

    def _speech(self, sound: Future) -> Branch:
        answer = self._ask("speech", self.analyzer.slots.speech, lambda model: model.read(sound.result()), sound)
        return Branch({"speech": answer}, answer.value, Message("no_voice"))

    def _face(self, pictures: Future) -> Branch:
        def read(model: FaceModel) -> FaceReading | None:
            return model.read(_frames(pictures), self.serving(self.analyzer.slots.detector).model)

        answer = self._ask("face", self.analyzer.slots.face, read, pictures)
        return Branch({"face": answer}, answer.value, Message("no_face"))

    def _decoded(self, sound: Future | None, pictures: Future | None) -> Media:
        """Both results. A video of which one half cannot be decoded keeps the other."""
        failures: list[Exception] = []
        samples: np.ndarray | None = None
        frames: tuple[Frame, ...] = ()
        for name, future in (("sound", sound), ("pictures", pictures)):
            if future is None:
                continue
            try:
                if name == "sound":
                    samples = future.result()
                else:
                    frames = _frames(future)
            except Exception as e:
                failures.append(e)
        if failures and samples is None and not frames:
            raise failures[0]
        seconds = [len(samples) / SAMPLE_RATE] if samples is not None else []
        seconds += [frames[-1].time] if frames and not self.request.still else []
        return Media(samples, frames, max(seconds, default=None))

    def _assembled(self, branches: Mapping[str, Branch], decoded: Media, decoding_ms: float) -> Analysis:
        answers = {role: answer for branch in branches.values() for role, answer in branch.answers.items()}
        readings = {name: branch.reading for name, branch in branches.items() if branch.reading is not None}
        transcript = branches["text"].transcript if "text" in branches else None
        notes = [note for branch in branches.values() for note in branch.notes]
        if not readings:
            notes.append(Message("nothing_to_read"))
        served = {role: answer.serving for role, answer in answers.items() if isinstance(answer, Answer)}
        used = {name: served[name].choice for name in readings}
        models = {name: choice.info for name, choice in used.items()}
        if "face" in readings:
            models["detector"] = self.serving(self.analyzer.slots.detector).choice.info
        if transcript is not None and "transcript" in served:
            # The package's confidence was measured on clips; Whisper's is the model's own belief.
            engine = served["transcript"]
            models["transcript"] = replace(engine.choice.info, calibrated=engine.model is None)
        fusion_weights = {name: self.analyzer.weight_of(name, choice) for name, choice in used.items()}
        analysis = Analysis(
            fusion=fuse(readings, fusion_weights),
            modalities=_ordered(readings),
            duration=decoded.duration,
            transcript=transcript,
            timeline=timeline.spans(readings, decoded.duration),
            notes=tuple(notes),
            timings_ms={"media": decoding_ms} | {role: answer.ms for role, answer in answers.items()},
            models=models,
            media=decoded,
        )
        if self.baseline is not None:
            return self.analyzer.with_baseline(analysis, self.baseline, fusion_weights)
        return self.analyzer.with_weights(analysis, fusion_weights)


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    """What a function returns, and how many milliseconds it took."""
    start = time.perf_counter()
    return function(), (time.perf_counter() - start) * 1000.0


def _within(seconds: float | None, function: Callable[[], T]) -> T:
    """What a function returns, or TimeoutError after so many seconds. One that hangs cannot be stopped: its thread stays."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as e:
            future.set_exception(e)

    threading.Thread(target=work, daemon=True).start()
    return future.result(seconds)


def _checked_text(text: str | None) -> str | None:
    """The text without outer blanks, None where nothing is left."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise InputError("text_type", type=type(text).__name__)
    if len(text) > media.MAX_TEXT_CHARS:
        raise InputError("text_too_long", characters=len(text), limit=media.MAX_TEXT_CHARS)
    return text.strip() or None


def _checked_frames(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    if not all(isinstance(frame, Frame) for frame in frames):
        raise InputError("video_not_frames")
    if len(frames) > media.MAX_FRAMES:
        raise InputError("too_many_frames", frames=len(frames), limit=media.MAX_FRAMES)
    return tuple(frames)


def _done(value: object) -> Callable[[], Future]:
    future: Future = Future()
    future.set_result(value)
    return lambda: future


def _frames(pictures: Future) -> tuple[Frame, ...]:
    result = pictures.result()
    return (result,) if isinstance(result, Frame) else result


def _ordered(readings: Mapping[str, Reading]) -> dict[str, Reading]:
    return {name: readings[name] for name in MODALITIES if name in readings}
