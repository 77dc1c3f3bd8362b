// The folded sections below an answer: each opens as this browser left it, or where the address names it (#why). Runs before the page.
(() => {
  const KEY = "emotion-open"; // of what the browser keeps: the names of the sections that are open
  const ready = new WeakSet(); // those that were opened as they were left

  const nameOf = (fold) => fold.closest(".block").id;
  const isOpen = (fold) => (fold.tagName === "DETAILS" ? fold.open : fold.querySelector("button.label-wrap").classList.contains("open"));
  const open = (fold) => {
    if (!isOpen(fold)) fold.querySelector("summary, button.label-wrap").click();
  };
  // Gradio closes a section of its own once more while it makes it.
  const openNew = async (fold) => {
    for (let again = 0; again < 10 && !isOpen(fold); again++) {
      open(fold);
      await window.emotion.pause(100);
    }
  };
  // Gradio's own button does not say whether its section is open.
  const tell = (fold) => fold.querySelector("button.label-wrap")?.setAttribute("aria-expanded", isOpen(fold));

  const kept = () => {
    try {
      return (localStorage.getItem(KEY) ?? "").split(" ");
    } catch {
      return []; // this browser keeps nothing
    }
  };
  const keep = (name, opened) => {
    const names = new Set(kept().filter(Boolean));
    opened ? names.add(name) : names.delete(name);
    try {
      localStorage.setItem(KEY, [...names].join(" "));
    } catch {
      // then it opens closed the next time
    }
  };
  const address = (name, opened) => {
    const { pathname, search, hash } = location;
    if (opened || hash === `#${name}`) history.replaceState(history.state, "", opened ? `#${name}` : pathname + search);
  };

  document.addEventListener("click", ({ target, isTrusted }) => {
    const fold = target.closest?.(".fold > :is(summary, button.label-wrap)")?.parentElement;
    if (!fold) return;
    setTimeout(() => {
      tell(fold);
      if (isTrusted) [keep, address].forEach((note) => note(nameOf(fold), isOpen(fold)));
    });
  });

  const restore = () => {
    for (const fold of document.querySelectorAll(".fold")) {
      if (ready.has(fold) || !fold.querySelector("summary, button.label-wrap")) continue;
      ready.add(fold);
      tell(fold);
      if ([...kept(), location.hash.slice(1)].includes(nameOf(fold))) openNew(fold);
    }
  };
  new MutationObserver(restore).observe(document, { childList: true, subtree: true });

  window.addEventListener("hashchange", () => {
    const fold = [...document.querySelectorAll(".fold")].find((fold) => location.hash === `#${nameOf(fold)}`);
    if (!fold) return;
    open(fold);
    fold.scrollIntoView();
  });
})();
