"""Where models come from: weights.yaml, the Hub, slots that a better model takes over, adapters for published models, workers."""
