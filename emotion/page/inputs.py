"""What stands between a caller's data and Gradio, whichever way it came in."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr

from emotion.messages import ENGLISH, InputError
from emotion.page.texts import Say

log = logging.getLogger(__name__)

# A scheme has two letters and more: "C:" is a drive of Windows. After it, "//" or, in "data:", the content itself.
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)
SHOWN = 100  # characters of an address: enough to know it by


class Guarded(gr.Blocks):
    """Blocks that fetch nothing. For a file that is named by its address, Gradio's own would load the whole of it into memory.

    All ways to call a function (call, call/v2, queue/join, run, MCP) come through ``preprocess_data`` before anything is fetched.
    """

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **more: Any) -> list[Any]:
        try:
            for path in _paths(inputs):
                if ELSEWHERE.match(path):
                    raise InputError("file_elsewhere", address=path[:SHOWN])
            taken: list[Any] = await super().preprocess_data(block_fn, inputs, *rest, **more)
            return taken
        except gr.Error:
            raise
        except InputError as e:
            raise gr.Error(str(e), print_exception=False) from e
        except Exception as e:  # whose text has the input in it, which is not for the log
            log.warning("an input was not taken: %s", type(e).__name__)
            raise gr.Error(str(InputError("input_not_taken")), print_exception=False) from None

    async def process_api(self, *arguments: Any, **more: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await super().process_api(*arguments, **more)
            return answer
        except gr.Error as e:
            e.print_exception = False  # its sentence may quote the input: it is for the caller
            raise
        except Exception as e:  # Gradio would print its text, and in it the value that a component could not show
            log.exception("an event failed")
            raise gr.Error(Say(ENGLISH)("unexpected"), print_exception=False) from e

    def at_work(self) -> tuple[int, int]:
        """How many events wait in the queue, and how many run."""
        return len(self._queue), sum(job is not None for job in self._queue.active_jobs)


def _paths(data: Any) -> Iterator[str]:
    """Every path of a file in a caller's data. Not by recursion: the data may be nested as deep as its sender likes."""
    left = [data]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if isinstance(part.get("path"), str):
                yield part["path"]
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
