"""What the page says: HTML made from readings. Everything that came from a visitor or a file is escaped."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import cos, pi, sin

import numpy as np

from emotion.figures import COLOURS, MOOD_COLOURS
from emotion.labels import LABELS, MODALITIES, MOOD_WORDS
from emotion.messages import said_of
from emotion.page import explanation
from emotion.page.frames import View
from emotion.page.texts import Say
from emotion.readings import Analysis, FaceReading, ModelInfo, Reading, SpeechReading, TextReading, Transcript
from emotion.serving.slots import State, Status

STAGES = ("media", "transcript", *MODALITIES, "total")
WHOLE = ("media", "total")  # stages that are no model's
AGREEMENTS = ((0.8, "agree_well"), (0.5, "agree_partly"), (0.0, "agree_hardly"))  # from which agreement on
GAUGE_RADIUS, GAUGE_WIDTH = 80, 20  # of the middle of its bands, and theirs, in units of its drawing


def name(say: Say, role: str) -> str:
    """Of a modality or another role of a model, as it stands alone."""
    return say(f"name_{role}")


def masthead(say: Say) -> str:
    return f"""<div class="masthead"><h1>{say("title")}</h1><p>{say("lead")}</p></div>
<details class="notice"><summary>{say("notice")} <u>{say("more")}</u></summary>{say("notice_more")}</details>"""


def invitation(say: Say) -> str:
    return f'<div class="invitation"><h2>{say("no_answer_yet")}</h2><p>{say("invitation")}</p></div>'


def examples(say: Say) -> str:
    return f'<p class="examples-lead">{say("examples_lead")} <small>{say("examples_note")}</small></p>'


def heading(key: str, note: str | None = None) -> Callable[[Say], str]:
    """A block with a heading of the table, and a sentence below it."""

    def block(say: Say) -> str:
        below = f"<p>{say(note)}</p>" if note else ""
        return f'<div class="section"><h3>{say(key)}</h3>{below}</div>'

    return block


# HTML that the browser puts in its language, by the key that texts.static takes.
BLOCKS: dict[str, Callable[[Say], str]] = {
    "block_masthead": masthead,
    "block_invitation": invitation,
    "block_examples": examples,
    "block_sound": heading("sound", "sound_note"),
}
DEVICE_TROUBLE = '<div class="device-trouble" role="alert"></div>'


def models_line(say: Say, status: Mapping[str, Status]) -> str:
    """What a visitor should know of the models beforehand: what still loads, what is missing, what leaves this app."""
    loading = [f"{say.inner(f'name_{role}')} ({_progress(say, one)})" for role, one in status.items() if one.passing]
    said = [say("models_loading", models=say.listed(loading))] if loading else []
    return _lines([*said, *_said_of(say, status, State.FAILED), *_said_of(say, status, State.REMOTE)])


def models_bundled(say: Say, status: Mapping[str, Status]) -> str:
    """Which models of the app answer instead of those that it would have fetched, and why."""
    return _lines(_said_of(say, status, State.BUNDLED))


def _said_of(say: Say, status: Mapping[str, Status], state: State) -> list[str]:
    """A sentence for all models that are in this state for the same reason."""
    alike: dict[str, list[str]] = {}
    for role, one in status.items():
        if one.state is state:
            why = (one.model or "") if state is State.REMOTE else said_of(one.reason, say.language)
            alike.setdefault(why, []).append(say.inner(f"name_{role}"))
    return [say(f"models_{state}", models=_capital(say.listed(names)), why=why) for why, names in alike.items()]


def _lines(said: Sequence[str]) -> str:
    return f'<div class="models" role="status">{"<br>".join(map(escape, said))}</div>'


def _progress(say: Say, status: Status) -> str:
    return say(f"state_{status.state}") if status.share is None else say("state_share", share=say.percent(status.share))


def headline(say: Say, analysis: Analysis) -> str:
    """The answer in one line, what made it, how far its parts agree, and everything to be careful about."""
    cautions = "".join(f"<li>{escape(message.say(say.language))}</li>" for message in analysis.codes)
    cautions = f'<ul class="cautions">{cautions}</ul>' if cautions else ""
    if analysis.mood is None or analysis.label is None or analysis.probabilities is None:
        return f'<div class="headline" aria-live="polite"><div><h2>{say("no_mood")}</h2>{cautions}</div></div>'
    answer = say(
        "answer",
        mood=say.mood(analysis.mood),
        label=f'<span class="label">{_swatch(analysis.label)}{say.label(analysis.label)}</span>',
        share=say.percent(analysis.probabilities.max()),
    )
    told = escape(" ".join((*explanation.sentences(say, analysis), agreement(say, analysis))))
    return (
        f'<div class="headline" aria-live="polite"><div class="score">{gauge(analysis.mood)}'
        f"<b>{analysis.mood:.1f}</b><small>{say('of_5')}</small></div>"
        f"<div><h2>{_capital(answer)}</h2><p>{told}</p>{cautions}</div></div>"
    )


def gauge(mood: float) -> str:
    """A half-circle from 1 to 5 with a band for each word and the mood marked, as SVG."""
    ends = (1.0, *(upper for upper, _ in MOOD_WORDS[:-1]), 5.0)
    bands = "".join(
        f'<path d="M{_on_gauge(low)}A{GAUGE_RADIUS} {GAUGE_RADIUS} 0 0 1 {_on_gauge(high)}" stroke="{colour}"/>'
        for low, high, colour in zip(ends[:-1], ends[1:], MOOD_COLOURS, strict=True)
    )
    inner, outer = GAUGE_RADIUS - 0.8 * GAUGE_WIDTH, GAUGE_RADIUS + 0.8 * GAUGE_WIDTH
    mark = f"M{_on_gauge(mood, inner)}L{_on_gauge(mood, outer)}"
    return (
        f'<svg class="gauge" data-mood="{mood:.4f}" viewBox="-100 -98 200 104" aria-hidden="true">'
        f'<g stroke-width="{GAUGE_WIDTH}">{bands}</g><path class="edge" d="{mark}"/><path class="mark" d="{mark}"/></svg>'
    )


def _on_gauge(mood: float, radius: float = GAUGE_RADIUS) -> str:
    """The point of a mood: 1 lies at the left end of the half-circle, 5 at the right one."""
    angle = pi * (5 - mood) / 4
    return f"{radius * cos(angle):.2f} {-radius * sin(angle):.2f}"


def distribution(say: Say, probabilities: np.ndarray) -> str:
    """Seven bars in the order of LABELS; ``probabilities`` (7,)."""
    rows = "".join(
        f'<div data-label="{label}" style="--share:{p:.4f};--colour:{COLOURS[label]}">'
        f"<span>{say.label(label)}</span><i></i><b>{say.percent(p)}</b></div>"
        for label, p in zip(LABELS, probabilities.tolist(), strict=True)
    )
    return f'<div class="distribution">{rows}</div>'


def fused(say: Say, probabilities: np.ndarray) -> str:
    """The heading of the fused bars, and what they show in words: a screen reader meets no text in a figure."""
    shown = say.listed([f"{say.label(label)} {say.percent(p)}" for label, p in zip(LABELS, probabilities, strict=True)])
    return f'<h3>{say("together")}</h3><p class="unseen">{shown}</p>'


def each(say: Say, analysis: Analysis) -> str:
    """What each modality says, and how much it counts."""
    return f"<h3>{say('each')}</h3>{''.join(_alone(say, modality, analysis) for modality in MODALITIES)}"


def _alone(say: Say, modality: str, analysis: Analysis) -> str:
    """One modality in two lines: its own mood, its most probable label, its share."""
    reading, heading = analysis.modalities.get(modality), f"<h4>{name(say, modality)}</h4>"
    if reading is None:
        return f'<div class="reading absent" data-part="{modality}">{heading}<p>{say("absent")}</p></div>'
    share = analysis.fusion.shares.get(modality, 0.0)
    return (
        f'<div class="reading" data-part="{modality}" style="--share:{share:.4f}">{heading}'
        f'<p class="own"><b>{reading.mood:.1f}</b> {say.mood(reading.mood)}</p>'
        f'<p class="top">{_top(say, reading.probabilities)}</p>'
        f'<p class="counts">{say("counts", share=say.percent(share))}</p><i></i></div>'
    )


def _top(say: Say, probabilities: np.ndarray) -> str:
    label = LABELS[int(probabilities.argmax())]
    return f"{_swatch(label)}{say.label(label)} {say.percent(probabilities.max())}"


def _swatch(label: str) -> str:
    return f'<span class="swatch" style="background:{COLOURS[label]}"></span>'


def agreement(say: Say, analysis: Analysis) -> str:
    """How far the modalities that counted agree and what was done about it."""
    counted = list(explanation.counting(analysis))
    if len(counted) == 1:
        return say("read_alone", name=say(f"from_{counted[0]}"))
    names, degree = say.listed([say(f"the_{modality}") for modality in counted]), f"{analysis.agreement:.2f}"
    if analysis.mixed:
        return say("agree_mixed", names=names, degree=degree)
    how = next(key for least, key in AGREEMENTS if (analysis.agreement or 0.0) >= least)
    return say(how, names=_capital(names), degree=degree)


def part(say: Say, modality: str, analysis: Analysis) -> str:
    """One modality: its own mood on the scale of 1 to 5, what was measured and its probabilities."""
    reading = analysis.modalities.get(modality)
    if reading is None:
        missing = f"{say('absent')} {say(f'absent_{modality}')}"
        return f'<div class="part absent"><h3>{name(say, modality)}</h3><p>{missing}</p></div>'
    own = f"{reading.mood:.1f} {say('of_5')}, {say.mood(reading.mood)}"
    return (
        f'<div class="part"><h3>{name(say, modality)}<span>{own}</span></h3><p>{measured(say, reading, analysis)}</p>'
        f"{_scale(reading.mood)}{distribution(say, reading.probabilities)}</div>"
    )


def _scale(mood: float) -> str:
    """The bands of the moods in a line, with a mark at this one; its heading says the number."""
    bands = "".join(f'<i style="background:{colour}"></i>' for colour in MOOD_COLOURS)
    return f'<div class="mood-scale" style="--at:{(mood - 1) / 4:.4f}" aria-hidden="true">{bands}<b></b></div>'


def shares(say: Say, analysis: Analysis, weights: Mapping[str, float]) -> str:
    """Weight times reliability, and the share that came of it, for each modality."""
    if not analysis.modalities:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{name(say, modality)}</th>'
        f'<td class="number">{weights[modality]:.2f}</td><td class="number">{reading.reliability:.2f}</td>'
        f'<td class="number"><b>{say.percent(analysis.fusion.shares.get(modality, 0.0))}</b></td></tr>'
        for modality, reading in analysis.modalities.items()
    )
    meaning = say("reliability_is", shares=say.listed([say(f"reliability_{modality}") for modality in analysis.modalities]))
    columns = "".join(f'<th class="number" scope="col">{say(key)}</th>' for key in ("col_weight", "col_reliability", "col_share"))
    return (
        f'<div class="section"><h3>{say("weighed")}</h3>'
        f'<div class="facts-scroll"><table class="facts"><tr><td></td>{columns}</tr>{rows}</table></div><p>{meaning}</p></div>'
    )


def transcript_note(say: Say, analysis: Analysis) -> str:
    """Where the text came from, and what editing it does."""
    said = analysis.transcript
    if said is None:
        return say("note_no_text")
    return f"{escape(heard(say, said))} {say('note_typed' if said.engine == 'typed' else 'note_heard')}"


def heard(say: Say, said: Transcript) -> str:
    """Who wrote the text, and how sure of it."""
    if said.engine == "typed":
        return say("as_typed")
    return say("as_heard", engine=said.engine, share=say.percent(said.confidence))


def model(say: Say, info: ModelInfo) -> str:
    """Which model answered."""
    calibrated = say("calibrated" if info.calibrated else "not_calibrated")
    return f"{info.name} ({info.source}, {say('revision')} {info.revision}, {calibrated})"


def words(say: Say, analysis: Analysis) -> str:
    """The words as the model read them, each marked by how much it spoke for the label of the words, or against it."""
    reading = analysis.modalities.get("text")
    if not isinstance(reading, TextReading) or not reading.words:
        return ""
    label = LABELS[int(reading.probabilities.argmax())]
    most = max(abs(weight) for _, weight in reading.words) or 1.0
    marked = " ".join(
        f'<span class="{"for" if weight >= 0 else "against"}" style="--share:{abs(weight) / most:.2f}" '
        f'title="{say("points", points=f"{100 * weight:+.0f}", label=say.label(label))}">{escape(word)}</span>'
        for word, weight in reading.words
    )
    said = analysis.transcript.text.split() if analysis.transcript else reading.words
    part = len(said) > len(reading.words)
    counted = say("words_counted_first", count=len(reading.words)) if part else say("words_counted")
    return (
        f'<div class="section words" style="--colour:{COLOURS[label]}"><p>{marked}{" ..." if part else ""}</p>'
        f"<p>{counted} {say('words_key', label=say.label(label))}</p></div>"
    )


def frames(say: Say, views: Sequence[View], still: bool) -> str:
    """Pictures with the face's box and label, within the page itself: no file of them is kept."""
    figures = "".join(_figure(say, view, still) for view in views)
    kind = "frames still" if still else "frames"
    key = f"<p>{say('tinted')}</p>" if any(view.tinted for view in views) else ""
    return f'<div class="section"><h3>{say("frames")}</h3>{key}<div class="{kind}">{figures}</div></div>'


def details(say: Say, analysis: Analysis) -> str:
    """Time per stage, and which model answered."""
    times = "".join(
        f'<tr><th scope="row">{say(f"stage_{stage}" if stage in WHOLE else f"name_{stage}")}</th>'
        f'<td class="number">{say.number(analysis.timings_ms[stage])} ms</td></tr>'
        for stage in STAGES
        if stage in analysis.timings_ms
    )
    models = "".join(
        f'<tr><th scope="row">{name(say, role)}</th><td>{escape(model(say, info))}</td></tr>'
        for role, info in analysis.models.items()
    )
    return (
        f'<div class="details"><div class="section"><h3>{say("times")}</h3><p>{say("times_note")}</p>'
        f'<table class="facts">{times}</table></div>'
        f'<div class="section"><h3>{say("which_model")}</h3><table class="facts">{models}</table></div></div>'
    )


def _figure(say: Say, view: View, still: bool) -> str:
    seen = f"{say.label(view.label)} {say.percent(view.probability)}"
    counted = "" if still else f"<br>{say('frame_counts', time=f'{view.time:.1f}', share=say.percent(view.weight))}"
    return (
        f'<figure><img src="data:image/jpeg;base64,{view.jpeg}" alt="{say("picture_at", time=f"{view.time:.1f}")}">'
        f"<figcaption>{_swatch(view.label)}{seen}{counted}</figcaption></figure>"
    )


def measured(say: Say, reading: Reading, analysis: Analysis) -> str:
    """What was measured of a modality."""
    if isinstance(reading, SpeechReading):
        pitch = say("no_pitch") if reading.pitch_hz is None else say("pitch", hertz=f"{reading.pitch_hz:.0f}")
        return say(
            "measured_speech", intensity=say(f"intensity_{reading.intensity}"), pitch=pitch, energy=f"{reading.energy_db:.0f}"
        )
    if isinstance(reading, FaceReading):
        others = say("faces_seen", count=reading.faces) if reading.faces > 1 else ""
        if reading.frames_sampled == 1:
            return say("measured_picture") + others
        return say("measured_frames", found=reading.frames_with_face, sampled=reading.frames_sampled) + others
    count = len(analysis.transcript.text.split()) if analysis.transcript else 0
    how = say("typed" if analysis.transcript and analysis.transcript.engine == "typed" else "heard")
    return say("measured_word" if count == 1 else "measured_words", count=count, how=how)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
