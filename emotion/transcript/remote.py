"""Speech to text on a server."""

import numpy as np

from emotion.readings import Transcript
from emotion.serving.remote import MALFORMED, RemoteError, Server, wav
from emotion.sound import SAMPLE_RATE
from emotion.transcript.passages import Passage, pieces, written

LONGEST_S = 28.0  # of what is sent at once: Whisper, which most servers run, hears 30 s
BELIEF = 0.8  # in each word of a transcript: assumed, as servers tell none


class RemoteTranscriber:
    """A model on the Hub that a server runs, by its name, or a server by its address. What it is asked for is one passage a call."""

    def __init__(self, repo: str):
        self.name = repo.rstrip("/").split("/")[-1]
        self.server = Server(self.name, repo, headers={"content-type": "audio/wav"})

    def draft(self, samples: np.ndarray, language: str) -> Transcript:
        """In whatever language the server hears. Raises RemoteError where it gives no answer that can be used."""
        found = []
        for start, end in pieces(samples, LONGEST_S):
            piece = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            answer = self.server.ask(self.server.client.automatic_speech_recognition, wav(piece))
            if not isinstance(answer.text, str):
                raise RemoteError(f"The server of {self.name} was asked in vain: {MALFORMED}.")
            found.append(Passage(start, end, answer.text.strip(), BELIEF))
        return written(self.name, found)

    def checked(self, samples: np.ndarray, heard: Transcript) -> Transcript:
        """As it is: nothing more can be known of it."""
        return heard

    def warm(self) -> None:
        """Nothing: a server is asked when there is something to ask."""
