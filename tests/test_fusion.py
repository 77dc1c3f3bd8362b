"""Laws of late fusion."""

import itertools

import numpy as np
import pytest

import emotion
from emotion.fusion import MIXED_FROM, calibrate, fuse, pulled_mood
from emotion.labels import LABELS, MODALITIES
from emotion.messages import InputError
from emotion.readings import Reading
from emotion.serving.weights import default_weights

EQUAL = {"text": 1.0, "speech": 1.0, "face": 1.0}


def reading(label=None, sureness=1.0, reliability=1.0):
    p = np.full(7, (1 - sureness) / 6)
    p[LABELS.index(label or "neutral")] = sureness
    return Reading(p.astype(np.float32), reliability)


def random_readings(rng, names=MODALITIES):
    return {name: Reading(rng.dirichlet(np.full(7, 0.5)).astype(np.float32), float(rng.uniform(0.05, 1))) for name in names}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_is_the_weighted_mean_of_the_formula():
    parts = {"text": reading("happy", 0.8, 0.5), "speech": reading("sad", 0.6, 1.0)}
    fused = fuse(parts, {"text": 2.0, "speech": 1.0, "face": 9.0})
    expected = (2 * 0.5 * parts["text"].probabilities + 1 * 1.0 * parts["speech"].probabilities) / 2
    np.testing.assert_allclose(fused.probabilities, expected, atol=1e-6)
    assert fused.shares == pytest.approx({"text": 0.5, "speech": 0.5})


def test_probabilities_lie_between_the_parts_and_sum_to_one(rng):
    for _ in range(200):
        parts = random_readings(rng)
        fused = fuse(parts, dict(zip(MODALITIES, rng.uniform(0, 1, 3), strict=True)))
        stacked = np.stack([r.probabilities for r in parts.values()])
        assert fused.probabilities.dtype == np.float32 and fused.probabilities.shape == (7,)
        assert abs(fused.probabilities.sum() - 1) < 1e-5 and abs(sum(fused.shares.values()) - 1) < 1e-9
        assert (fused.probabilities >= stacked.min(axis=0) - 1e-6).all() and (
            fused.probabilities <= stacked.max(axis=0) + 1e-6
        ).all()
        assert min(r.mood for r in parts.values()) - 1e-9 <= fused.mood <= max(r.mood for r in parts.values()) + 1e-9
        assert 0 <= fused.agreement <= 1


def test_order_and_scale_of_the_weights_do_not_matter(rng):
    parts = random_readings(rng)
    weights = {"text": 0.2, "speech": 0.5, "face": 0.3}
    first = fuse(parts, weights)
    for order in itertools.permutations(parts):
        again = fuse({name: parts[name] for name in order}, {name: 1e-200 * weights[name] for name in order})
        assert again.mood == pytest.approx(first.mood) and again.shares == pytest.approx(first.shares)
    assert fuse(parts, {name: 1e300 * w for name, w in weights.items()}).mood == pytest.approx(first.mood)


def test_a_single_modality_answers_as_it_is(rng):
    for name, part in random_readings(rng).items():
        fused = fuse({name: part}, EQUAL)
        np.testing.assert_allclose(fused.probabilities, part.probabilities, atol=1e-6)
        assert fused.mood == pytest.approx(part.mood) and fused.agreement == 1.0 and not fused.mixed


def test_equal_readings_agree_and_stay_what_they_are():
    fused = fuse({name: reading("happy", 0.7) for name in MODALITIES}, EQUAL)
    assert fused.agreement == pytest.approx(1.0) and fused.mood == pytest.approx(reading("happy", 0.7).mood)


def test_no_reading_gives_no_answer():
    fused = fuse({}, EQUAL)
    assert fused.mood is fused.label is fused.probabilities is fused.agreement is None and not fused.mixed


def test_fused_mood_never_falls_when_a_part_rises(rng):
    for _ in range(500):
        moods, share = rng.choice([1.0, 5.0, rng.uniform(1, 5)], 3), rng.dirichlet(np.ones(3))
        which = rng.integers(3)
        higher = moods.copy()
        higher[which] = min(5.0, higher[which] + rng.uniform(0, 1))
        assert pulled_mood(higher, share) >= pulled_mood(moods, share) - 1e-12


def test_opposite_moods_are_mixed_and_pulled_toward_the_middle():
    parts = {"text": reading("happy", 0.95), "speech": reading("sad", 0.95)}
    weights = {"text": 0.7, "speech": 0.3}
    fused = fuse(parts, weights)
    plain = 0.7 * parts["text"].mood + 0.3 * parts["speech"].mood
    assert fused.mixed and fused.agreement < 0.3
    assert 3.0 < fused.mood < plain


def test_the_pull_never_leaves_the_range_of_the_parts():
    fused = fuse({"text": reading("happy"), "speech": reading("happy", 0.75)}, EQUAL)
    assert reading("happy", 0.75).mood <= fused.mood <= 5
    moods = np.array([4.9, 4.2])
    assert 4.2 <= pulled_mood(moods, np.array([0.5, 0.5])) <= 4.9


def test_anger_and_sadness_disagree_without_mixed_feelings():
    fused = fuse({"text": reading("angry", 0.9), "face": reading("sad", 0.9)}, EQUAL)
    assert not fused.mixed and fused.agreement < 0.5 and MIXED_FROM > 0.2


def test_unreliable_readings_weigh_less_and_none_is_an_error():
    parts = {"text": reading("happy", 1.0, reliability=0.0), "speech": reading("sad", 1.0, reliability=0.5)}
    assert fuse(parts, EQUAL).label == "sad" and fuse(parts, EQUAL).shares["text"] == 0
    silent = {name: Reading(part.probabilities, 0.0) for name, part in parts.items()}
    assert fuse(silent, EQUAL).shares == pytest.approx({"text": 0.5, "speech": 0.5})


def test_zero_weights_count_as_equal_with_a_warning():
    parts = {"text": reading("happy"), "speech": reading("sad")}
    fused = fuse(parts, {"text": 0, "speech": 0, "face": 1})
    assert fused.shares == pytest.approx({"text": 0.5, "speech": 0.5}) and fused.notes[0].code == "weights_all_zero"
    assert fuse(parts, EQUAL).notes == ()


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "1", None, True])
def test_bad_weights_are_refused(bad):
    with pytest.raises(InputError, match="speech"):
        fuse({"speech": reading("sad")}, {"speech": bad})


def test_unknown_modality_is_refused():
    with pytest.raises(InputError, match="gesture"):
        fuse({"speech": reading("sad")}, {"gesture": 1.0})


def test_package_level_fuse_uses_the_fitted_weights():
    parts = {"text": reading("happy"), "speech": reading("sad"), "face": reading("neutral")}
    fitted = default_weights()
    assert emotion.fuse(parts).shares == pytest.approx({name: fitted[name] / sum(fitted.values()) for name in parts})
    assert emotion.fuse(parts, weights={"face": 1}).label == "neutral"


def test_calibration_is_a_softmax_whose_order_no_temperature_changes(rng):
    logits = rng.normal(0, 30, (50, 7))
    for temperature in (0.5, 1.0, 4.0):
        p = calibrate(logits, temperature)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
        assert (p.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert calibrate(logits, 4.0).max(axis=1).mean() < calibrate(logits, 0.5).max(axis=1).mean()
    assert np.isfinite(calibrate(np.array([1e5, 0, 0, 0, 0, 0, -1e5]), 1.0)).all()
