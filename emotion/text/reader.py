"""From a text model's scores to a Reading: the whole text, its segments and words, and how far the model knows them."""

import re
import unicodedata
from collections.abc import Sequence

from emotion.readings import Segment, TextReading, Window
from emotion.recogniser import Recogniser

PIECES = 1.5  # to a word, at most, in a text that counts fully: English has 1.0 to 1.3, German 2, random letters 4


class TextReader(Recogniser):
    """Reads texts."""

    by_segment = True  # whether the segments of a transcript are read one by one too

    def known(self, text: str) -> float:
        """Share of a text, 0 to 1, whose words the model knows."""
        return 1.0

    def words(self, text: str, label: int) -> tuple[tuple[str, float], ...]:
        """How much each word adds to the probability of a label, -1 to 1; empty where that is unknown."""
        return ()

    def read(
        self, text: str, confidence: float = 1.0, segments: Sequence[Segment] = (), explained: bool = True
    ) -> TextReading | None:
        """What the words of a text say.

        Parameters
        ----------
        text : str
            One utterance, of any length.
        confidence : float
            Expected word accuracy of a transcript, 0 to 1; 1 for what was typed.
        segments : sequence of Segment
            Those of the transcript, which become the reading's windows.
        explained : bool
            Whether to weigh each word, which takes ten times as long as the rest.

        Returns
        -------
        TextReading or None
            None when the text holds no word. The reliability is the confidence, times the share of word pieces that the model
            knows, less where words fall into many pieces: half as much for another language, a sixth for random letters.
        """
        if not has_words(text):
            return None
        said = [segment for segment in segments if has_words(segment.text)]
        whole, *parts = self.predict([text, *(segment.text for segment in said if self.by_segment)])
        if self.by_segment:
            windows = tuple(Window(s.start, s.end, part) for s, part in zip(said, parts, strict=True))
        else:
            windows = (Window(said[0].start, said[-1].end, whole),) if said else ()
        words = self.words(text, int(whole.argmax())) if explained else ()
        return TextReading(whole, confidence * self.known(text), words, windows)


def has_words(text: str) -> bool:
    return re.search(r"\w", unicodedata.normalize("NFKC", text)) is not None


def known_share(pieces: Sequence[str], unknown: str | None, text: str) -> float:
    """How far a tokenizer knows the words of a text, 0 to 1, by the ``pieces`` that it cut it into, without marks of begin and
    end.

    The share of pieces other than ``unknown``, less where words fall into more than PIECES of them.
    """
    spelt = sum(has_words(piece.strip("Ġ▁")) for piece in pieces)  # what stands for a space is no letter
    words = len(re.findall(r"\w+", text))
    if not spelt:
        return 0.0
    return (1.0 - pieces.count(unknown) / len(pieces)) * min(1.0, PIECES * words / spelt) ** 2
