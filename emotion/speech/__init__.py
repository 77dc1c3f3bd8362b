"""How it is said: pitch, energy and intensity of a voice, and which emotions it carries."""
