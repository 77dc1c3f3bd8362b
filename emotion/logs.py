"""The app's log, which says where something went wrong and nothing of whom."""

import logging
import traceback


class Private(logging.Formatter):
    """Of an error the places in the code and its type, of those that led to it too; not its text, which may quote a visitor."""

    def formatException(self, ei: object) -> str:
        told: list[str] = []
        error = ei[1] if isinstance(ei, tuple) else None
        while error is not None:
            told.insert(0, "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(told)


def start() -> None:
    """Log to standard error, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Private("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
