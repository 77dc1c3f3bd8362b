"""What a visitor does in the Live tab."""

from tests.page.visitor import ANSWER_MS, answered, headline, show

RECORD = """() => {
  window.answers = [];
  document.querySelector('#live .live').addEventListener('answered', ({detail: {columns, ...rest}}) => window.answers.push(rest));
}"""


def start(page, microphone: bool = True, camera: bool = True) -> None:
    show(page, "Live")
    page.locator("#live .start").wait_for()
    page.locator("#live .microphone").set_checked(microphone)
    page.locator("#live .camera").set_checked(camera)
    page.evaluate(RECORD)
    page.locator("#live .start").click()


def wait_for(page, what: str) -> None:
    """Waits until an answer fulfils a condition on ``a``."""
    page.wait_for_function(f"window.answers.some(a => {what})", timeout=ANSWER_MS)


def stop(page) -> str:
    before = headline(page)
    page.locator("#live .start").click()
    return answered(page, before)
