"""What the page says: HTML made from readings. Everything that came from a visitor or a file is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.labels import LABELS, MOOD_WORDS, mood_word
from emotion.page.frames import View
from emotion.readings import Analysis, FaceReading, Reading, SpeechReading, TextReading

NAMES = {"text": "Words", "speech": "Voice", "face": "Face", "detector": "Finding the face", "transcript": "Speech to text"}
STAGES = {
    "media": "Reading the file",
    "transcript": "Speech to text",
    "text": "Words",
    "speech": "Voice",
    "face": "Face",
    "total": "In all",
}
RELIABILITY = {  # what it is the share of
    "text": "of words expected to be as they were said",
    "speech": "of sound that is clearly a voice",
    "face": "of clear views of the face",
}
ABSENT = {
    "text": "Type below what was said to add the words.",
    "speech": "Record or upload sound to add the voice.",
    "face": "Film yourself or upload a picture to add the face.",
}

TITLE = "Emotion from words, voice and face"
MASTHEAD = f"""<div class="masthead"><h1>{TITLE}</h1>
<p>How do you come across? Speak, type or look into a camera: words, voice and face are each read on their own, then weighed into
one mood from 1 to 5.</p></div>"""

NOTICE = """<div class="notice">A machine's guess at expression, not a reading of feelings. Recordings and uploads are deleted within
15 minutes. The voice and face models are for non-commercial use only: their training data is licensed so.</div>"""

INVITATION = """<div class="invitation"><b>No answer yet</b>
Record a sentence, upload a clip, film yourself or type something. The mood and how it came about appear here.</div>"""

SOUND = """<div class="section"><h3>The sound</h3>
<p>Waveform above; below it how strong each pitch is over time, the white line being the pitch of the voice and the pink steps where
the voice model's attention lay, where the model tells it.</p></div>"""
TINTED = "The pinker a part of the face, the more it spoke for the label."

DEVICE_TROUBLE = '<div class="device-trouble" role="alert"></div>'

BLOCKS = {}  # HTML that the browser puts in its language, by the key of texts.static

AGREEMENTS = ((0.8, "agree well"), (0.5, "agree in part"), (0.0, "hardly agree"))  # from which agreement on


STATES = {  # of Analyzer.status(), what they concern and why
    "bundled": "{}: read by what comes with the app ({}).",
    "failed": "{}: no model could be loaded, and answers come without ({}).",
    "remote": "{}: read by a third party, to whom what you say or show is sent ({}).",
}


def is_loading(state: str) -> bool:
    """Whether a role's state, as ``Analyzer.status()`` gives it, will change by itself."""
    return state in ("waiting", "loading") or state.startswith("downloading")


def models_line(status: Mapping[str, str]) -> str:
    """What still loads, what answers instead of a better model, what did not load and what leaves this app; nothing else."""
    loading = [f"{NAMES[role].lower()} ({state})" for role, state in status.items() if is_loading(state)]
    said = [f"Models are on their way: {_listed(loading)}. What is here answers meanwhile."] if loading else []
    for kind, sentence in STATES.items():
        alike: dict[str, list[str]] = {}
        for role, state in status.items():
            if state.startswith(kind + ": "):
                alike.setdefault(state.removeprefix(kind + ": "), []).append(NAMES[role].lower())
        said += [sentence.format(_listed(names).capitalize(), why) for why, names in alike.items()]
    return f'<div class="models" role="status">{"<br>".join(map(escape, said))}</div>'


def headline(analysis: Analysis) -> str:
    """The answer in one line, how far its parts agree, and everything to be careful about."""
    cautions = "".join(f"<li>{escape(warning)}</li>" for warning in analysis.warnings)
    cautions = f'<ul class="cautions">{cautions}</ul>' if cautions else ""
    if analysis.mood is None:
        return f'<div class="headline" aria-live="polite"><div><h2>No mood could be read</h2>{cautions}</div></div>'
    word = mood_word(analysis.mood)
    share = analysis.probabilities.max()
    swatch = f'<span class="swatch" style="background:{COLOURS[analysis.label]}"></span>'
    return (
        f'<div class="headline" aria-live="polite"><div class="score" style="background:{mood_colour(analysis.mood)}">'
        f"{analysis.mood:.1f}<small>of 5</small></div>"
        f"<div><h2>{word.capitalize()} mood, most likely {swatch}{analysis.label} ({share:.0%})</h2>"
        f"<p>{agreement(analysis)}</p>{cautions}</div></div>"
    )


def agreement(analysis: Analysis) -> str:
    """How far the modalities agree and what was done about it."""
    names = _listed([NAMES[name].lower() for name in analysis.modalities])
    if len(analysis.modalities) == 1:
        return f"Read from the {names} alone."
    degree = f"agreement of their bars {analysis.agreement:.2f} of 1"
    if analysis.mixed:
        return f"Mixed: the moods of {names} lie far apart, so the answer is drawn toward the middle ({degree})."
    how = next(words for least, words in AGREEMENTS if analysis.agreement >= least)
    return f"{names.capitalize()} {how} ({degree})."


def part(name: str, analysis: Analysis) -> str:
    """The heading of one modality: its own mood, and what was measured."""
    reading = analysis.modalities.get(name)
    if reading is None:
        return f'<div class="part absent"><h3>{NAMES[name]}</h3><p>Not part of this answer. {ABSENT[name]}</p></div>'
    own = f"{reading.mood:.1f} of 5, {mood_word(reading.mood)}"
    return f'<div class="part"><h3>{NAMES[name]}<span>{own}</span></h3><p>{_measured(reading, analysis)}</p></div>'


def shares(analysis: Analysis, weights: Mapping[str, float]) -> str:
    """Weight times reliability, and the share that came of it, for each modality."""
    if not analysis.modalities:
        return ""
    rows = "".join(
        f"<tr><th>{NAMES[name]}</th>"
        f'<td class="number">{weights[name]:.2f}</td><td class="number">{reading.reliability:.2f}</td>'
        f'<td class="number"><b>{analysis.fusion.shares.get(name, 0.0):.0%}</b></td></tr>'
        for name, reading in analysis.modalities.items()
    )
    meaning = "Reliability is the share " + _listed([RELIABILITY[name] for name in analysis.modalities]) + "."
    return (
        '<div class="section"><h3>What each weighed, and why</h3>'
        '<div class="facts-scroll"><table class="facts"><tr><th></th><th class="number">weight</th>'
        '<th class="number">× reliability</th><th class="number">→ share</th></tr>'
        f"{rows}</table></div><p>{meaning}</p></div>"
    )


def transcript_note(analysis: Analysis) -> str:
    """Where the text came from, and what editing it does."""
    said = analysis.transcript
    if said is None:
        return "No text yet. Type what was said: words and fusion are read anew, voice and face stay as they are."
    if said.engine == "typed":
        return "As typed. Change it and press Enter: words and fusion are read anew, voice and face stay as they are."
    return (
        f"Heard by {said.engine}; about {said.confidence:.0%} of the words are expected to be right. "
        "Correct it and press Enter: words and fusion are read anew."
    )


def words(analysis: Analysis) -> str:
    """The words as the model read them, each marked by how much it spoke for the label of the words, or against it."""
    reading = analysis.modalities.get("text")
    if not isinstance(reading, TextReading) or not reading.words:
        return ""
    label = LABELS[int(reading.probabilities.argmax())]
    most = max(abs(weight) for _, weight in reading.words) or 1.0
    marked = " ".join(
        f'<span class="{"for" if weight >= 0 else "against"}" style="--share:{abs(weight) / most:.2f}" '
        f'title="{100 * weight:+.0f} points of {label}">{escape(word)}</span>'
        for word, weight in reading.words
    )
    said = analysis.transcript.text.split() if analysis.transcript else reading.words
    part = f" (the first {len(reading.words)} words)" if len(said) > len(reading.words) else ""
    return (
        f'<div class="section words" style="--colour:{COLOURS[label]}"><p>{marked}{" ..." if part else ""}</p><p>What counted{part}: the more a word is filled, the '
        f"more of “{label}” is lost without it; underlined words speak against it.</p></div>"
    )


def frames(views: Sequence[View], still: bool) -> str:
    """Pictures with the face's box and label, within the page itself: no file of them is kept."""
    figures = "".join(
        f'<figure><img src="data:image/jpeg;base64,{view.jpeg}" alt="{view.label}">'
        f"<figcaption>{view.label if still else f'{view.time:.1f} s, counts {view.weight:.0%}'}</figcaption></figure>"
        for view in views
    )
    kind = "frames still" if still else "frames"
    key = f"<p>{TINTED}</p>" if any(view.tinted for view in views) else ""
    return f'<div class="section"><h3>Where the face was read</h3>{key}<div class="{kind}">{figures}</div></div>'


def details(analysis: Analysis) -> str:
    """Time per stage, and which model answered."""
    times = "".join(
        f'<tr><th>{STAGES[stage]}</th><td class="number">{analysis.timings_ms[stage]:,.0f} ms</td></tr>'
        for stage in STAGES
        if stage in analysis.timings_ms
    )
    models = "".join(
        f"<tr><th>{NAMES[role]}</th><td>{escape(info.name)} ({escape(info.source)}, revision {escape(str(info.revision))}, "
        f"{'calibrated' if info.calibrated else 'not calibrated'})</td></tr>"
        for role, info in analysis.models.items()
    )
    return (
        '<div class="details"><div class="section"><h3>Time per stage</h3><p>Words, voice and face are read side by side.</p>'
        f'<table class="facts">{times}</table></div>'
        f'<div class="section"><h3>Which model answered</h3><table class="facts">{models}</table></div></div>'
    )


def mood_colour(mood: float) -> str:
    """The colour of the mood's word."""
    return next(colour for (upper, _), colour in zip(MOOD_WORDS, MOOD_COLOURS, strict=True) if mood < upper)


def _measured(reading: Reading, analysis: Analysis) -> str:
    if isinstance(reading, SpeechReading):
        pitch = "no pitch" if reading.pitch_hz is None else f"pitch {reading.pitch_hz:.0f} Hz"
        return f"intensity {reading.intensity}, {pitch}, energy {reading.energy_db:.0f} dB"
    if isinstance(reading, FaceReading):
        others = f", {reading.faces} faces seen" if reading.faces > 1 else ""
        if reading.frames_sampled == 1:
            return f"face found in the picture{others}"
        return f"face found in {reading.frames_with_face} of {reading.frames_sampled} frames{others}"
    count = len(analysis.transcript.text.split()) if analysis.transcript else 0
    return f"{count} {_plural('word', count)}, {'typed' if analysis.transcript and analysis.transcript.engine == 'typed' else 'heard'}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
