"""A stream of sound and pictures while it lasts: one session a visitor, and what is kept of it."""
