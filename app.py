"""Starts the app: loads the analyzer, builds the page, launches it. ``python app.py``, then http://127.0.0.1:7860.

Importing this file does nothing, as Python's spawned processes require.
"""

import contextlib
import ctypes
import logging
import os
import signal
import tempfile
import time

log = logging.getLogger("emotion.app")

M_ARENA_MAX, ARENAS = -8, 2  # of glibc's malloc.h
QUEUE_SIZE = 24  # events that wait, of all visitors; the next is told to try again


def main() -> None:
    start = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: uploads are deleted, workers stopped
    share_heaps()
    configure()
    offer_gpu()
    import emotion  # after configure(): Gradio and numba read the environment when they are imported
    from emotion import api, page
    from emotion.page import temporary

    analyzer = emotion.load()
    temporary.keep_sweeping(temporary.folder())
    demo = page.build(analyzer).queue(max_size=QUEUE_SIZE, default_concurrency_limit=4, api_open=False)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **api.launch_options(analyzer, demo))
    log.info("the page answers at %s after %.1f s; the models load now", address, time.monotonic() - start)
    analyzer.warm()
    try:
        demo.block_thread()
    finally:
        analyzer.close()
        temporary.sweep(temporary.folder(), max_age_s=0)  # uploads that broke off, which Gradio's own clearing does not know


def share_heaps() -> None:
    """Has all threads share two heaps. By default glibc makes eight for each core, and each keeps what it once held."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError, TypeError):  # another C library, Windows
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def configure() -> None:
    """Environment and logging, before anything heavy is imported. What the caller's environment says stays."""
    from emotion import logs
    from emotion.environment import HUB_DEFAULTS

    private = os.path.join(tempfile.gettempdir(), f"emotion-{os.getuid() if hasattr(os, 'getuid') else 'app'}")
    os.makedirs(private, mode=0o700, exist_ok=True)  # what visitors say is not for others on this machine
    defaults = HUB_DEFAULTS | {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000",  # the default groups a table after every event: a fifth of a core
        "GRADIO_TEMP_DIR": os.path.join(private, "uploads"),
        "NUMBA_CACHE_DIR": os.path.join(private, "numba"),  # librosa's compiled code, where site-packages is not writable
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    logs.start()


def offer_gpu() -> None:
    """ZeroGPU ends a Space without a function that asks for a GPU.

    Ours is never called: a visitor has two GPU minutes a day.
    """
    if os.environ.get("SPACES_ZERO_GPU"):
        import spaces  # of the platform

        spaces.GPU(lambda: None)


if __name__ == "__main__":
    main()
