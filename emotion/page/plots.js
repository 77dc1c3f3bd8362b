// Gradio makes a plot anew for each value. Plotly keeps every one that it was not told to forget, and resizes it with the window.
(() => {
  const LATER_MS = 1000; // a resize may still be on its way
  const PLOT = ".js-plotly-plot";
  const forget = (plot) => setTimeout(() => plot.isConnected || window.Plotly.purge(plot), LATER_MS);

  new MutationObserver((changes) => {
    for (const node of changes.flatMap(({ removedNodes }) => [...removedNodes])) {
      if (node instanceof Element) (node.matches(PLOT) ? [node] : [...node.querySelectorAll(PLOT)]).forEach(forget);
    }
  }).observe(document, { childList: true, subtree: true });
})();
