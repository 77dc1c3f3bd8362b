// One analysis as a page of its own, which opens without a network: no script, no media, nothing from elsewhere. Whatever it says
// is set as text or attribute of elements, never as HTML. entries.js stands before it.
const report = (() => {
  const POLICY = "default-src 'none'; style-src 'unsafe-inline'";
  const HEIGHT = 220, TOP = 10, BOTTOM = 34; // of the timeline, in pixels; it is as wide as the page, in percent
  const TICKS_S = [1, 2, 5, 10, 20, 30, 60, 120];
  const LINE = { fill: "none", stroke: "currentColor" };
  const LINES = {
    fused: { ...LINE, "stroke-width": 2.5 },
    text: { ...LINE, "stroke-dasharray": "2 4" },
    speech: { ...LINE, "stroke-dasharray": "8 4" },
    face: { ...LINE, "stroke-dasharray": "10 4 2 4" },
  };

  const cell = (content) => html("td", {}, content);
  const heading = (text) => html("th", { scope: "row" }, text);
  const section = (title, ...children) => html("section", {}, html("h2", {}, title), ...children);
  const quiet = (text) => html("p", { class: "quiet" }, text);

  function made(entry) {
    const { analysis } = entry;
    const time = new Date(entry.time).toLocaleString(language(), { dateStyle: "long", timeStyle: "medium", hourCycle: "h23" });
    const length = analysis.duration === null ? [] : [lengthOf(analysis.duration)];
    const page = document.implementation.createHTMLDocument(`${say("report_title")}, ${time}`);
    page.documentElement.lang = language();
    page.head.prepend(
      html("meta", { charset: "utf-8" }),
      html("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }),
      html("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    );
    page.head.append(html("style", {}, REPORT_CSS));
    const main = html(
      "main",
      {},
      html("h1", {}, say("report_title")),
      quiet([time, entry.source, ...length].join(" · ")),
      html("p", { class: "notice" }, say("report_notice")),
      answer(entry),
      ...cautions(entry),
      ...bodies(entry),
      ...said(entry),
      ...timeline(analysis),
      models(entry),
      quiet(say("report_without_media")),
    );
    page.body.append(main);
    return `<!doctype html>\n${page.documentElement.outerHTML}\n`;
  }

  function answer({ analysis, why }) {
    const { mood: value } = analysis;
    if (value === null) return section(answerOf(analysis));
    const colour = { class: lowest(value) ? "score lowest" : "score", style: `background: ${moodColour(value)}` };
    const score = html("div", colour, value.toFixed(2), html("small", {}, say("of_5")));
    const told = [...why, agreementOf(analysis)].join(" ");
    const words = html("div", {}, html("h2", {}, answerOf(analysis)), html("p", {}, told));
    return html("section", { class: "answer" }, score, words);
  }

  function cautions({ cautions: told }) {
    if (!told.length) return [];
    return [section(say("report_cautions"), html("ul", {}, ...told.map((text) => html("li", {}, text))))];
  }

  // --- the fusion and each modality

  function bodies({ analysis, measured }) {
    if (analysis.mood === null) return [];
    const together = section(say("together"), scale(analysis.mood), bars(analysis));
    const parts = partsOf(analysis).map((name) => part(name, analysis.modalities[name], measured[name]));
    return [together, html("div", { class: "parts" }, ...parts)];
  }

  function part(name, reading, measured) {
    const title = `${partName(name)}: ${reading.mood.toFixed(2)} ${say("of_5")}, ${moodName(reading.mood)}`;
    const weighed = say("report_weighed", { reliability: reading.reliability.toFixed(2), share: percent(reading.weight) });
    return section(title, quiet(capital(measured)), scale(reading.mood), quiet(weighed), bars(reading));
  }

  function scale(value) {
    const bands = MOOD_COLOURS.map((colour) => html("i", { style: `background: ${colour}` }));
    const mark = html("b", { style: `left: ${(25 * (value - 1)).toFixed(2)}%` });
    const name = `${value.toFixed(2)} ${say("of_5")}`;
    return html("div", { class: "scale", role: "img", "aria-label": name }, ...bands, mark);
  }

  function bars({ probabilities }) {
    const rows = LABELS.map((label) => {
      const bar = html("i", { style: `width: ${(100 * probabilities[label]).toFixed(1)}%; background: ${COLOURS[label]}` });
      return html("tr", {}, heading(labelName(label)), cell(bar), cell(percent(probabilities[label])));
    });
    return html("table", { class: "bars", "aria-label": say("report_probabilities") }, html("tbody", {}, ...rows));
  }

  // --- what was said

  function said({ analysis: { transcript, modalities }, heard }) {
    if (!transcript) return [];
    const parts = [html("p", { class: "said" }, transcript.text), quiet(heard)];
    if (modalities.text?.words.length) parts.push(...words(modalities.text));
    return [section(say("what_was_said"), ...parts)];
  }

  // Each word filled by what it added to the label of the words, in proportion to the strongest.
  function words({ words: found, probabilities }) {
    const label = LABELS.reduce((best, other) => (probabilities[other] > probabilities[best] ? other : best));
    const most = Math.max(...found.map(({ weight }) => Math.abs(weight))) || 1;
    const marked = found.flatMap(({ word, weight }) => {
      const style = `--colour: ${COLOURS[label]}; --share: ${(Math.abs(weight) / most).toFixed(2)}`;
      return [html("span", { class: weight < 0 ? "against" : "for", style, title: signed(hundred(weight)) }, word), " "];
    });
    return [html("p", { class: "words" }, ...marked), quiet(capital(say("words_key", { label: labelName(label) })))];
  }

  // --- along time

  function timeline({ timeline: spans, duration }) {
    if (!spans) return [];
    const moods = spans.map((span) => span.mood);
    const [low, high] = [Math.min(...moods), Math.max(...moods)].map((value) => value.toFixed(2));
    const names = MODALITIES.filter((name) => spans.some((span) => name in span.modalities));
    const lines = [
      ...names.map((name) => svg("path", { d: steps(spans, duration, (span) => span.modalities[name]?.mood), ...LINES[name] })),
      svg("path", { d: steps(spans, duration, (span) => span.mood), ...LINES.fused }),
    ];
    const chart = svg(
      "svg",
      { height: HEIGHT, role: "img", "aria-label": say("report_timeline_from_to", { low, high }) },
      ...grid(duration),
      svg("svg", { viewBox: `0 0 100 ${HEIGHT}`, preserveAspectRatio: "none", width: "100%", height: HEIGHT }, ...lines),
      ...spans.map((span) => dot(span, duration)),
    );
    const meanings = [["fused", say("together")], ...names.map((name) => [name, partName(name)])];
    const key = meanings.map(([name, text]) => {
      const line = svg("svg", { viewBox: "0 0 34 10", "aria-hidden": "true" }, svg("path", { d: "M0 5H34", ...LINES[name] }));
      return html("span", {}, line, text);
    });
    return [section(say("report_timeline"), html("div", { class: "chart" }, chart), html("p", { class: "key" }, ...key))];
  }

  const across = (seconds, duration) => (100 * seconds) / duration; // percent
  const down = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (5 - value)) / 4;

  function grid(duration) {
    const levels = [1, 2, 3, 4, 5].flatMap((value) => [
      svg("line", { x2: "100%", y1: down(value), y2: down(value), stroke: "currentColor", "stroke-opacity": 0.2 }),
      svg("text", { x: -18, y: down(value) + 4 }, value),
    ]);
    const step = TICKS_S.find((seconds) => duration / seconds <= 10);
    const times = Array.from({ length: Math.floor(duration / step) + 1 }, (_, i) =>
      svg("text", { x: `${across(i * step, duration)}%`, y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, i * step),
    );
    return [...levels, ...times, svg("text", { x: "100%", y: HEIGHT - 4, "text-anchor": "end" }, say("axis_seconds"))];
  }

  // A step for each span, broken where there is no value.
  function steps(spans, duration, valueOf) {
    let pen = "M";
    return spans
      .map((span) => {
        const value = valueOf(span);
        if (value === undefined) return (pen = "M"), "";
        const [from, to] = [span.start, span.end].map((seconds) => across(seconds, duration).toFixed(2));
        const step = `${pen}${from} ${down(value).toFixed(1)}H${to}`;
        pen = "L";
        return step;
      })
      .join("");
  }

  function dot({ start, end, mood: value }, duration) {
    const place = { cx: `${across((start + end) / 2, duration).toFixed(2)}%`, cy: down(value).toFixed(1), r: 6 };
    const text = svg("title", {}, `${start.toFixed(1)}–${end.toFixed(1)} s: ${value.toFixed(2)}`);
    return svg("circle", { ...place, fill: moodColour(value), stroke: "currentColor" }, text);
  }

  function models({ models: told }) {
    const rows = Object.entries(told).map(([role, model]) => html("tr", {}, heading(partName(role)), cell(model)));
    return section(say("which_model"), html("table", {}, html("tbody", {}, ...rows)));
  }

  return made;
})();
