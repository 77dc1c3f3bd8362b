"""Starts the app: loads the analyzer, builds the page, launches it. ``python app.py``, then http://127.0.0.1:7860.

Importing this file does nothing, as Python's spawned processes require.
"""

import functools
import logging
import os
import signal
import sys
import tempfile
import time

log = logging.getLogger("emotion.app")

SWITCH_S = 0.0005  # a thread that wants Python's lock waits so long for it; by default 5 ms, a text's many steps each among films
QUEUE_SIZE = 100  # quick events that wait, of all visitors, such as moved weights; analyses wait in the analyzer's lanes


def main() -> None:
    start = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: uploads are deleted, workers stopped
    from emotion.serving import memory

    memory.share_heaps()
    sys.setswitchinterval(SWITCH_S)
    configure()
    offer_gpu()
    import emotion  # after configure(): Gradio and numba read the environment when they are imported
    from emotion import api, page
    from emotion.page import temporary, visitors

    analyzer = emotion.load()
    temporary.keep_sweeping(temporary.folder())
    demo = page.build(analyzer).queue(max_size=QUEUE_SIZE, default_concurrency_limit=4, api_open=False)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **api.launch_options(analyzer))
    log.info("the page answers at %s after %.1f s; the models load now", address, time.monotonic() - start)
    analyzer.warm()
    memory.keep_giving_back(analyzer.lanes, functools.partial(visitors.forget, demo))
    try:
        demo.block_thread()
    finally:
        analyzer.close()
        temporary.sweep(temporary.folder(), max_age_s=0)  # uploads that broke off, which Gradio's own clearing does not know


def configure() -> None:
    """Environment and logging, before anything heavy is imported. What the caller's environment says stays."""
    from emotion import logs
    from emotion.environment import HUB_DEFAULTS

    private = os.path.join(tempfile.gettempdir(), f"emotion-{os.getuid() if hasattr(os, 'getuid') else 'app'}")
    os.makedirs(private, mode=0o700, exist_ok=True)  # what visitors say is not for others on this machine
    defaults = HUB_DEFAULTS | {
        "OMP_NUM_THREADS": "1",  # the branches of an analysis are what runs side by side, here and in the workers
        "OPENBLAS_NUM_THREADS": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000",  # the default groups a table after every event: a fifth of a core
        "GRADIO_ANALYTICS_MAX_EVENTS": "100",  # events that Gradio remembers, and walks through after each: it has 10,000
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
