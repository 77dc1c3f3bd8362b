"""What a caller or the environment may set before anything else is imported."""

SOURCES = ("auto", "hub", "bundled")

# Of the Hub's client, read when it is imported: what the environment says goes before.
HUB_DEFAULTS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_XET": "1",  # plain files, whose growth can be watched
    "HF_HUB_DOWNLOAD_TIMEOUT": "20",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
}
