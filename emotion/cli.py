"""The command ``emotion``, from a clone ``python -m emotion``: analyze | baseline | evaluate | train | doctor | publish | soak |
flood."""

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import emotion
from emotion.environment import HUB_DEFAULTS, SOURCES
from emotion.labels import LABELS, MODALITIES, mood_word
from emotion.messages import InputError

if TYPE_CHECKING:
    from emotion.baseline import Baseline
    from emotion.readings import Analysis

AddParser = Callable[..., argparse.ArgumentParser]
JSON_HELP = "print exactly one JSON document"
EPILOG = """environment:
  EMOTION_SOURCE   where models come from, where --source is not given
  EMOTION_WEIGHTS  the weights file, by default the project's weights.yaml
  EMOTION_TEXT_MODEL, EMOTION_SPEECH_MODEL, EMOTION_FACE_MODEL
                   a Hub repository to try, "owner/name" or "owner/name@revision"
  EMOTION_HUB_DEADLINE  seconds for all downloads of a start together (120)
  EMOTION_DATA     folder of the data sets, for training and evaluation
exit status: 0 done, 1 unusable input (one line on stderr), 2 wrong usage"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for name, value in HUB_DEFAULTS.items():
        os.environ.setdefault(name, value)
    arguments = _parser().parse_args(argv)
    level = logging.INFO if arguments.command == "train" else logging.ERROR
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        with _others_to_stderr():
            result = arguments.run(arguments)
    except InputError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
    elif result is not None:
        print(arguments.show(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "emotion", description="Emotion from text, voice and face.", epilog=EPILOG, formatter_class=form
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_analyze(commands.add_parser)
    _add_baseline(commands.add_parser)
    _add_evaluate(commands.add_parser)
    _add_train(commands.add_parser)
    _add_doctor(commands.add_parser)
    _add_publish(commands.add_parser)
    _add_soak(commands.add_parser)
    _add_flood(commands.add_parser)
    return parser


def _add_analyze(add_parser: AddParser) -> None:
    analyze = add_parser(
        "analyze",
        help="read a text, a recording, a video or a picture",
        description="Any of the inputs together; --video and --image exclude each other.",
    )
    analyze.add_argument("--text", help="what was said; replaces speech to text")
    analyze.add_argument("--audio", metavar="FILE")
    analyze.add_argument("--video", metavar="FILE", help="its sound is read too, unless --audio is given")
    analyze.add_argument("--image", metavar="FILE")
    analyze.add_argument(
        "--weights", type=_weights, metavar="text=W,speech=W,face=W", help="fusion weights; one not named counts 0"
    )
    analyze.add_argument("--baseline", type=Path, metavar="FILE", help="a personal baseline, as emotion baseline writes it")
    analyze.add_argument("--language", default="en", help="of the speech; other than en is not written down (default: en)")
    analyze.add_argument("--no-transcribe", action="store_true", help="leave the words of a recording out")
    _add_common(analyze)
    analyze.set_defaults(run=_analyze, show=_show_analysis)


def _add_baseline(add_parser: AddParser) -> None:
    baseline = add_parser(
        "baseline",
        help="measure how your own plain voice and face are read",
        description="Writes a personal baseline for emotion analyze --baseline. Read a plain text aloud for about ten seconds, "
        "with a plain face. --video and --image exclude each other.",
    )
    baseline.add_argument("--audio", metavar="FILE")
    baseline.add_argument("--video", metavar="FILE", help="its sound is read too, unless --audio is given")
    baseline.add_argument("--image", metavar="FILE")
    baseline.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file with the offsets, and nothing else")
    _add_common(baseline)
    baseline.set_defaults(run=_baseline, show=_show_baseline)


def _add_evaluate(add_parser: AddParser) -> None:
    evaluate = add_parser("evaluate", help="run a model over a labelled data set and print its figures")
    evaluate.add_argument("modality", choices=MODALITIES)
    evaluate.add_argument(
        "--dataset",
        nargs=2,
        required=True,
        metavar=("NAME", "PATH"),
        help="ravdess, emodb, nemo, ferplus, fer2013, goemotions, meld, isear, emobank, empathetic, dailydialog, emorynlp, xed, "
        "carer or folder, and its file, folder or zip",
    )
    evaluate.add_argument("--split", help="one part of the set, or held-out; by default everything but train")
    evaluate.add_argument("--restrict", action="store_true", help="renormalise to the labels that the data has")
    evaluate.add_argument(
        "--oof", action="store_true", help="speech: the out-of-fold probabilities stored with the weights, no model runs"
    )
    _add_common(evaluate)
    evaluate.set_defaults(run=_evaluate, show=_show_figures)


def _add_train(add_parser: AddParser) -> None:
    train = add_parser(
        "train",
        help="train a model, or fit the fusion weights",
        description="Without --dataset: the bundled model again, from EMOTION_DATA. "
        "With it: the model in use, trained on with your data.",
    )
    train.add_argument("modality", choices=(*MODALITIES, "fusion"))
    train.add_argument(
        "--dataset",
        nargs=2,
        metavar=("NAME", "PATH"),
        help="a data set to train on, such as: folder PATH, with a folder per label",
    )
    train.add_argument(
        "--out", type=Path, help="folder of the trained model (default: the bundled model's; with --dataset: ./emotion-MODALITY)"
    )
    train.add_argument("--epochs", type=int, help="passes over the data, at least 1")
    train.add_argument(
        "--checkpoints",
        type=Path,
        help="folder from which an interrupted training goes on (default: ~/.cache/emotion/checkpoints)",
    )
    train.add_argument("--json", action="store_true", help=JSON_HELP)
    train.set_defaults(run=_train, show=_show_figures)


def _add_doctor(add_parser: AddParser) -> None:
    doctor = add_parser(
        "doctor",
        help="check the machine, the network and the models",
        description="Says which model would answer for each role here, and why. Fetches nothing.",
    )
    _add_common(doctor)
    doctor.set_defaults(run=_doctor, show=_show_findings)


def _add_publish(add_parser: AddParser) -> None:
    publish = add_parser(
        "publish",
        help="upload the bundled models, or the app, to the Hugging Face Hub",
        description="Uploads the bundled models with their cards and enters them in weights.yaml; with --space the app itself.",
    )
    publish.add_argument("repo", help="owner/name; created where it is not there yet")
    publish.add_argument("--space", action="store_true", help="upload the app as a Space")
    publish.add_argument("--private", action="store_true", help="make a new repository private")
    publish.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    publish.add_argument("--json", action="store_true", help=JSON_HELP)
    publish.set_defaults(run=_publish, show=_show_published)


def _add_soak(add_parser: AddParser) -> None:
    soak = add_parser(
        "soak",
        help="have the app visited by many at once",
        description="Starts the app and has visitors hand in texts, voices, pictures and films. Prints what became of every "
        "request, how long it took, and what the app holds before, meanwhile and after.",
    )
    soak.add_argument("--visitors", type=_positive, default=40, help="how many at once (default: 40)")
    soak.add_argument("--seconds", type=_positive, default=300, help="for how long (default: 300)")
    soak.add_argument("--pause", type=_seconds, default=1.0, help="seconds from an answer to the next request (default: 1)")
    soak.add_argument("--settle", type=_seconds, default=180.0, help="seconds after the last visitor has left (default: 180)")
    _add_log(soak)
    soak.set_defaults(run=_soak, show=_show_soak)


def _add_flood(add_parser: AddParser) -> None:
    flood = add_parser(
        "flood",
        help="ask the app for many analyses in a row",
        description="Starts the app and asks it for one analysis after another. Prints memory, handles, threads and files on "
        "the way: what grows, leaks.",
    )
    flood.add_argument("analyses", type=_positive, nargs="?", default=2000, help="how many (default: 2000)")
    flood.add_argument("--idle", type=_seconds, default=20.0, help="seconds of rest before each measurement (default: 20)")
    _add_log(flood)
    flood.set_defaults(run=_flood, show=_show_flood)


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", default=os.devnull, metavar="FILE", help="where the app's log goes (default: nowhere)")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


@contextlib.contextmanager
def _others_to_stderr() -> Iterator[None]:
    """Sends what libraries and worker processes print to stderr. loky, for one, prints on stdout where a worker cannot start."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", choices=SOURCES, help="where models come from (default: EMOTION_SOURCE or auto)")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def _positive(text: str) -> int:
    if not (text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _weights(text: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is not of the form speech=0.5") from None
    return weights


def _analyze(arguments: argparse.Namespace) -> Any:
    if not any((arguments.text, arguments.audio, arguments.video, arguments.image)):
        raise InputError("input_missing")
    baseline = None if arguments.baseline is None else _read_baseline(arguments.baseline)
    with contextlib.closing(emotion.load(arguments.source)) as analyzer:
        if arguments.weights is not None:
            emotion.fuse({}, arguments.weights)  # refuses bad weights before any model runs
        analysis = analyzer.analyze(
            arguments.text,
            arguments.audio,
            arguments.video,
            arguments.image,
            not arguments.no_transcribe,
            language=arguments.language,
            baseline=baseline,
        )
        if arguments.weights is not None:
            analysis = analyzer.with_weights(analysis, arguments.weights)
    return analysis.to_dict() if arguments.json else analysis


def _baseline(arguments: argparse.Namespace) -> Any:
    with contextlib.closing(emotion.load(arguments.source)) as analyzer:
        baseline = analyzer.baseline(arguments.audio, arguments.video, arguments.image)
    try:
        arguments.out.write_text(baseline.to_json() + "\n", "utf-8")
    except OSError as e:
        raise InputError("file_not_written", file=arguments.out, reason=e.strerror) from e
    return baseline.to_dict() if arguments.json else baseline


def _read_baseline(file: Path) -> "Baseline":
    from emotion.baseline import Baseline

    try:
        return Baseline.from_json(file.read_bytes())
    except OSError as e:
        raise InputError("file_unreadable", file=file, reason=e.strerror) from e


def _evaluate(arguments: argparse.Namespace) -> dict[str, Any]:
    from emotion.training.evaluation import evaluate

    if arguments.oof and arguments.modality != "speech":
        raise InputError("oof_speech_alone")
    name, path = arguments.dataset
    return evaluate(arguments.modality, name, path, arguments.split, arguments.restrict, arguments.oof, arguments.source)


def _train(arguments: argparse.Namespace) -> dict[str, Any]:
    import importlib

    if arguments.epochs is not None and arguments.epochs < 1:
        raise InputError("epochs_too_few", epochs=arguments.epochs)
    if arguments.checkpoints:
        os.environ["EMOTION_CHECKPOINTS"] = str(arguments.checkpoints)
    module = importlib.import_module(f"emotion.training.{arguments.modality}")
    figures: dict[str, Any] = module.train(arguments.dataset, arguments.out, arguments.epochs)
    return figures


def _doctor(arguments: argparse.Namespace) -> dict[str, Any]:
    from emotion.serving.doctor import examine

    return examine(arguments.source)


def _publish(arguments: argparse.Namespace) -> dict[str, Any]:
    from emotion.serving.publishing import publish

    return publish(arguments.repo, arguments.space, arguments.dry_run, arguments.private)


def _soak(arguments: argparse.Namespace) -> dict[str, Any]:
    from emotion.bench.soak import soak

    return soak(arguments.visitors, arguments.seconds, arguments.pause, arguments.settle, arguments.log)


def _show_soak(found: dict[str, Any]) -> str:
    from emotion.bench.soak import show

    return show(found)


def _flood(arguments: argparse.Namespace) -> dict[str, Any]:
    from emotion.bench.flood import flood

    return flood(arguments.analyses, arguments.idle, arguments.log)


def _show_flood(found: dict[str, Any]) -> str:
    from emotion.bench.flood import show

    return show(found)


def _show_findings(findings: dict[str, Any]) -> str:
    from emotion.serving.doctor import show

    return show(findings)


def _show_published(result: dict[str, Any]) -> str:
    lines = [f"{size:>12,}  {name}" for name, size in result["files"].items()]
    done = (
        f"uploaded to the {result['kind']} {result['repo']}"
        if result["uploaded"]
        else f"would go to the {result['kind']} {result['repo']}"
    )
    lines.append(f"{result['bytes']:>12,}  bytes in {len(lines)} files {done}")
    if "revision" in result:
        lines.append(f"revision {result['revision']}")
    if "preload" in result:
        lines += [
            "for a Space, add under preload_from_hub in README.md, and the repository under models:",
            f"  - {result['preload']}",
        ]
    return "\n".join(lines)


def _show_analysis(analysis: "Analysis") -> str:
    if analysis.mood is None or analysis.probabilities is None:
        return "\n".join(analysis.warnings)
    lines = [f"mood {analysis.mood:.2f} of 5 ({mood_word(analysis.mood)}), {analysis.label}, agreement {analysis.agreement:.2f}"]
    if analysis.mixed:
        lines.append("mixed: the modalities disagree about the mood")
    lines.append(f"{'':10}{'fused':>8}" + "".join(f"{name:>8}" for name in analysis.modalities))
    lines.append(_row("mood", [analysis.mood, *(r.mood for r in analysis.modalities.values())]))
    lines.append(_row("weight", [1.0, *(analysis.fusion.shares[name] for name in analysis.modalities)]))
    columns = [analysis.probabilities, *(r.probabilities for r in analysis.modalities.values())]
    lines += [_row(label, [column[i] for column in columns]) for i, label in enumerate(LABELS)]
    if analysis.transcript:
        lines.append(
            f"words ({analysis.transcript.engine}, confidence {analysis.transcript.confidence:.2f}): {analysis.transcript.text}"
        )
    for role, model in analysis.models.items():
        calibrated = "" if model.calibrated or role == "detector" else ", not calibrated"
        lines.append(f"{role} by {model.name} ({model.source}, {model.revision}{calibrated})")
    return "\n".join(lines + [f"warning: {warning}" for warning in analysis.warnings])


def _show_baseline(baseline: "Baseline") -> str:
    """What the baseline takes out of a reading: by how much each label's logarithm falls."""
    lines = [f"{'offset':10}" + "".join(f"{name:>8}" for name in baseline.offsets)]
    return "\n".join(lines + [_row(label, [row[label] for row in baseline.offsets.values()]) for label in LABELS])


def _row(name: str, values: Sequence[float]) -> str:
    return f"{name:10}" + "".join(f"{value:8.2f}" for value in values)


def _show_figures(figures: dict[str, Any]) -> str:
    lines = []
    for name, value in figures.items():
        if name == "confusion":
            lines += ["confusion (rows: truth)", *(_confusion_row(label, row) for label, row in zip(LABELS, value, strict=True))]
        elif name == "intervals":
            lines += [
                "95 % of the values lie within",
                *(f"  {figure:20} {low:.4f} to {high:.4f}" for figure, (low, high) in value.items()),
            ]
        elif name != "labels":
            lines.append(f"{name:12} {value:.4f}" if isinstance(value, float) else f"{name:12} {value}")
    return "\n".join(lines)


def _confusion_row(label: str, row: Sequence[int]) -> str:
    return f"  {label:10}" + "".join(f"{count:6}" for count in row)
