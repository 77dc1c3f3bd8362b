"""The modalities, the seven emotion labels, their order, other names for them, and where each lies on the mood scale."""

MODALITIES = ("text", "speech", "face")

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# Names that data sets and published models use for the same seven. Looked up exactly, never by substring:
# "unhappy" contains "happy". A name that is not here has no counterpart (boredom, shame, guilt, contempt, other ...).
ALIASES = {
    "angry": "angry", "anger": "angry", "ang": "angry",
    "disgust": "disgust", "disgusted": "disgust", "dis": "disgust",
    "fear": "fear", "fearful": "fear", "afraid": "fear", "fea": "fear",
    "happy": "happy", "happiness": "happy", "joy": "happy", "hap": "happy",
    "neutral": "neutral", "neu": "neutral", "calm": "neutral",
    "sad": "sad", "sadness": "sad",
    "surprise": "surprise", "surprised": "surprise", "sur": "surprise",
}  # fmt: skip

# What published models also tell and the seven have no place for. Any other name has to be explained.
NO_COUNTERPART = frozenset("contempt contemptuous other others unknown".split())

# The emotions of GoEmotions in the order of their ids, and their grouping by Demszky et al. 2020, appendix (Ekman level).
GOEMOTIONS = tuple(
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval disgust "
    "embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief remorse sadness "
    "surprise neutral".split()
)
_GOEMOTIONS_GROUPS = {
    "angry": "anger annoyance disapproval",
    "disgust": "disgust",
    "fear": "fear nervousness",
    "happy": "joy amusement approval excitement gratitude love optimism relief pride admiration desire caring",
    "sad": "sadness disappointment embarrassment grief remorse",
    "surprise": "surprise realization confusion curiosity",
    "neutral": "neutral",
}
# Indices into GOEMOTIONS to indices into LABELS.
GOEMOTIONS_TO_LABEL = {
    GOEMOTIONS.index(name): LABELS.index(label) for label, names in _GOEMOTIONS_GROUPS.items() for name in names.split()
}

# Valence of each label in [-1, 1]: how pleasant the feeling it names is. Surprise can be either. Of -0.4 to 0.6, those from
# -0.2 to 0 order the rated sentences of EmoBank's held-out tenth best (``python -m emotion.training.ablations mood``).
VALENCE = {
    "angry": -0.9, "disgust": -0.8, "fear": -0.8, "happy": 1.0, "neutral": 0.0, "sad": -1.0, "surprise": 0.0,
}  # fmt: skip

# Upper ends of the words for a mood: very low < 1.5 <= low < 2.5 <= neutral < 3.5 <= good < 4.5 <= very good.
MOOD_WORDS = ((1.5, "very low"), (2.5, "low"), (3.5, "neutral"), (4.5, "good"), (float("inf"), "very good"))


def to_label(name: str) -> str | None:
    """The label that ``name`` means, in any case and with stray spaces, or None when it is none of the seven."""
    return ALIASES.get(name.strip().lower())


def mood_word(value: float) -> str:
    """The word for a mood of 1 to 5."""
    return next(word for upper, word in MOOD_WORDS if value < upper)
