// Where the answer stands below the input, the page goes to it when it comes, and the input folds into one line. Runs before the page.
(() => {
  const narrow = matchMedia("(max-width: 999px)"); // as in style.css
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  let seen = null; // the id of the answer that the page went to

  // Called with the latest entry of the history, also where nothing was handed in and it is an old one.
  window.emotion.arrived = async (entry) => {
    if (!entry || entry.id === seen || !narrow.matches) return;
    seen = entry.id;
    await painted();
    while (!document.querySelector("#summary")) await painted(); // what was hidden is made a little later
    const [columns, result] = ["#columns", "#result"].map((place) => document.querySelector(place));
    result.scrollIntoView();
    await painted();
    const top = result.getBoundingClientRect().top; // where it stays while what stands above it goes
    columns.dataset.folded = "";
    window.scrollBy(0, result.getBoundingClientRect().top - top);
  };

  // Until it comes, its place is in view: there the progress is shown. Who works on an answer, its input folded, stays there.
  const TRACKER = "#headline > [data-testid='status-tracker']";
  const visible = (place) => place?.getBoundingClientRect().top < window.innerHeight;
  new MutationObserver((changes) => {
    const working = changes.some(({ target }) => target.matches(`${TRACKER}:not(.hide)`));
    const columns = document.querySelector("#columns");
    if (!working || !narrow.matches || "folded" in columns.dataset || visible(document.querySelector("#headline"))) return;
    document.querySelector("#result").scrollIntoView();
  }).observe(document, { attributeFilter: ["class"], subtree: true });

  // Live begins: what is heard and seen, and the reading below it, fit one screen.
  window.emotion.begun = (stage) => narrow.matches && stage.scrollIntoView();

  window.emotion.unfold = () => {
    delete document.querySelector("#columns").dataset.folded;
    window.scrollTo(0, 0);
    document.querySelector('#input [role="tab"][aria-selected="true"]').focus();
  };
})();
