// Where the answer stands below the input, the page goes to it when it comes, and the input folds into one line. Runs before the page.
(() => {
  const narrow = matchMedia("(max-width: 999px)"); // as in style.css
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  let seen = null; // the answer that the page went to

  window.emotion.arrived = async () => {
    await painted();
    const answer = document.querySelector("#headline .headline");
    if (!answer || answer === seen || !narrow.matches) return;
    seen = answer;
    while (!document.querySelector("#summary")) await painted(); // what was hidden is made a little later
    const [columns, result] = ["#columns", "#result"].map((place) => document.querySelector(place));
    result.scrollIntoView();
    await painted();
    const top = result.getBoundingClientRect().top; // where it stays while what stands above it goes
    columns.dataset.folded = "";
    window.scrollBy(0, result.getBoundingClientRect().top - top);
  };

  window.emotion.unfold = () => {
    delete document.querySelector("#columns").dataset.folded;
    window.scrollTo(0, 0);
    document.querySelector('#input [role="tab"][aria-selected="true"]').focus();
  };
})();
