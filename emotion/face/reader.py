"""From a face model's scores to a Reading: the face that stays, in the frames that show it most clearly."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emotion.face.detection import Detector
from emotion.face.tracking import Sighting, follow
from emotion.readings import FaceFrame, FaceReading, Frame
from emotion.recogniser import Recogniser

NOWHERE = np.zeros((0, 0), np.float32)


class FaceReader(Recogniser):
    """Reads faces, in at most ``max_frames`` frames of a video: those that show it most clearly."""

    max_frames: int | None = None

    def see(self, frames: Sequence[Frame], sightings: Sequence[Sighting]) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        """Logits (n, 7) of the sightings, and where in each face they come from: shares (6, 6), or NOWHERE where nobody knows."""
        return self.logits([sighting.crop for sighting in sightings]), [NOWHERE] * len(sightings)

    def look(self, frame: Frame, sighting: Sighting) -> np.ndarray:
        """Calibrated probabilities (7,) of one sighting, as ``read`` has them; ``frame`` is the one that it is in."""
        probabilities: np.ndarray = self.calibrated(self.see([frame], [replace(sighting, index=0)])[0])[0]
        return probabilities

    def read(self, frames: Sequence[Frame], detector: Detector) -> FaceReading | None:
        """What the most persistent face says.

        Parameters
        ----------
        frames : sequence of Frame
            Sampled from a video, or one for a picture; uint8 RGB of shape (h, w, 3), all of one size.
        detector : Detector
            What finds faces in them.

        Returns
        -------
        FaceReading or None
            None when no face is found. Frames count by how clearly they show the face; the reliability is the share of sampled
            frames that show it clearly.
        """
        track = follow(frames, detector)
        if not track.sightings:
            return None
        clearest = sorted(track.sightings, key=lambda sighting: -sighting.weight)[: self.max_frames]
        shown = sorted(clearest, key=lambda sighting: sighting.index)
        logits, regions = self.see(frames, shown)
        probabilities = self.calibrated(logits)
        weight = np.array([sighting.weight for sighting in shown])
        share = weight / weight.sum() if weight.any() else np.full(len(weight), 1 / len(weight))
        return FaceReading(
            (share @ probabilities).astype(np.float32),
            min(1.0, track.clearness),
            track.faces,
            track.frames_sampled,
            len(track.sightings),
            tuple(
                FaceFrame(sighting.time, sighting.box, p, float(s), parts)
                for sighting, p, s, parts in zip(shown, probabilities, share, regions, strict=True)
            ),
        )


def coloured(crop: np.ndarray) -> np.ndarray:
    """A face as uint8 RGB (h, w, 3), which may be grey (h, w)."""
    return crop if crop.ndim == 3 else np.repeat(crop[:, :, None], 3, axis=2)
