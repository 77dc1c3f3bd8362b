"""The face: where it is in a picture or a video, and which emotions it shows."""
