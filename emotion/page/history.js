// The table of this visit's analyses, and two of them side by side. Runs once, when the component is there; entries.js and
// report.js stand before it.
const NUMBERS = ["agreement", "length"]; // which say nothing by themselves, where no heading stands above them

const cleared = new Set(); // ids: what moves the weights of an answer that was cleared does not bring it back
let chosen = []; // ids, at most two
const root = one(".history");

// --- the table

function draw() {
  const known = entries.all();
  chosen = chosen.filter((id) => known.some((entry) => entry.id === id));
  root.hidden = !known.length && !cleared.size;
  if (!root.open) return;
  all(":is(.scroll, .choose, .where, .clear)").forEach((part) => (part.hidden = !known.length));
  one(".where").textContent = say(entries.kept() ? "history_private" : "history_unkept");
  one(".choose").hidden = known.length < 2;
  all("tbody tr[data-id]").forEach((row) => known.some(({ id }) => id === row.dataset.id) || row.remove());
  known.forEach(fill);
  drawClear();
  drawPair();
}

// Rows stay what they are where they are: who is in one with the keyboard stays there.
function rowOf(entry) {
  const found = one(`tr[data-id="${entry.id}"]`);
  if (found) return found;
  const row = one("template").content.firstElementChild.cloneNode(true);
  row.dataset.id = entry.id;
  NUMBERS.forEach((name) => (one(`.${name}`, row).dataset.heading = say(`history_${name}`)));
  translate(row);
  one(".analyses tbody").prepend(row); // the newest above
  return row;
}

function fill(entry) {
  const { analysis } = entry;
  const row = rowOf(entry);
  const parts = countedOf(analysis);
  one(".time", row).textContent = clock(entry);
  one(".source", row).textContent = entry.source;
  one(".mood", row).replaceChildren(...moodOf(analysis));
  one(".label", row).replaceChildren(...labelOf(analysis));
  one(".agreement", row).textContent = parts.length > 1 ? analysis.agreement.toFixed(2) : "–";
  one(".read", row).textContent = parts.map(partName).join(", ") || "–";
  one(".length", row).textContent = [
    ...(analysis.duration === null ? [] : [lengthOf(analysis.duration)]),
    ...(analysis.timeline ? [] : [say("history_no_timeline")]),
  ].join(", ");
  one("input", row).setAttribute("aria-label", say("history_pick", { what: what(entry) }));
  for (const button of all("[data-take]", row)) {
    button.setAttribute("aria-label", say(`history_${button.dataset.take}_of`, { what: what(entry) }));
  }
  const csv = one('[data-take="csv"]', row);
  csv.disabled = !analysis.timeline;
  csv.title = analysis.timeline ? "" : say("history_no_timeline_why", { seconds: TIMELINE_FROM_S });
}

const chip = (colour) => html("i", { style: `background: ${colour}` });

function moodOf(analysis) {
  if (analysis.mood === null) return [say("history_no_mood")];
  return [chip(moodColour(analysis.mood)), `${analysis.mood.toFixed(1)} ${moodName(analysis.mood)}`];
}

function labelOf(analysis) {
  if (analysis.label === null) return ["–"];
  return [chip(COLOURS[analysis.label]), `${labelName(analysis.label)} ${percent(analysis.probabilities[analysis.label])}`];
}

// --- two of them

function choose(id, wanted) {
  chosen = chosen.filter((other) => other !== id);
  if (wanted) chosen = [...chosen, id].slice(-2); // a third takes the place of the one chosen first
  drawPair();
}

function drawPair() {
  const pair = entries.all().filter(({ id }) => chosen.includes(id)); // A is the earlier one
  for (const row of all("tbody tr[data-id]")) {
    const side = pair.length === 2 ? SIDES[pair.findIndex(({ id }) => id === row.dataset.id)] : undefined;
    one("input", row).checked = chosen.includes(row.dataset.id);
    one(".pick b", row).textContent = side ?? "";
  }
  one(".pair").hidden = pair.length < 2;
  if (pair.length < 2) return;
  const [A, B] = pair.map(({ analysis }) => analysis);
  SIDES.forEach((side, i) => drawSide(one(`.set[data-set="${side}"]`), side, pair[i]));
  const unread = SIDES.filter((_, i) => [A, B][i].mood === null);
  const sides = unread.join(` ${say("and")} `);
  one(".pair .difference").textContent = unread.length ? say("history_incomparable", { sides }) : difference(A, B);
  for (const row of all("[data-part]")) drawPart(row, ...[A, B].map(({ modalities }) => modalities[row.dataset.part]?.mood));
  for (const row of all("[data-label]")) drawLabel(row, ...[A, B].map(({ probabilities }) => probabilities?.[row.dataset.label]));
}

function drawSide(place, side, entry) {
  const { analysis } = entry;
  const score = one(".score", place);
  one("h4", place).textContent = say("history_side", { side, what: what(entry) });
  drawScore(score, analysis.mood, 2);
  score.classList.toggle("unread", analysis.mood === null);
  one(".says", place).textContent = answerOf(analysis);
  one(".remark", place).textContent = agreementOf(analysis);
}

function drawPart(row, a, b) {
  [a, b].forEach((value, i) => (one(`[data-set="${SIDES[i]}"]`, row).textContent = value?.toFixed(2) ?? say("not_read")));
  const change = a === undefined || b === undefined ? null : hundred(b) - hundred(a);
  one(".change", row).textContent = change === null ? "–" : signed(change, Math.abs(change / 100).toFixed(2));
}

// --- what is taken along, what is cleared

const TAKES = {
  json: (entry) => download(`emotion-${stamp(entry)}.json`, "application/json", JSON.stringify(entry.analysis, null, 2)),
  csv: (entry) => download(`emotion-${stamp(entry)}.csv`, "text/csv", timelineCsv(entry.analysis)),
  report: (entry) => download(`emotion-${stamp(entry)}.html`, "text/html", report(entry)),
};

function drawClear() {
  const count = entries.all().length;
  const sure = count === 1 ? "history_clear_one" : "history_clear_all";
  one(".clear").textContent = say(one(".clear").classList.contains("sure") ? sure : "compare_clear", { count });
}

function clear() {
  entries.all().forEach(({ id }) => cleared.add(id));
  entries.clear();
  one(".noted").textContent = say("history_cleared");
  draw();
  one("summary").focus(); // the button is gone
}

// --- what happens

function answer() {
  if (!props.value || cleared.has(props.value.id)) return;
  const value = plain(props.value);
  const others = value.analysis ? entries.put(value) : entries.weigh(value);
  one(".noted").textContent = others ? say("history_left_out") : "";
  draw();
}

element.addEventListener("change", ({ target }) => {
  if (target.type === "checkbox") choose(target.closest("tr").dataset.id, target.checked);
});
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.dataset.take) TAKES[button.dataset.take](entries.all().find(({ id }) => id === button.closest("tr").dataset.id));
});
askTwice(one(".clear"), drawClear, clear);
root.addEventListener("toggle", draw);
translate(element);
watch("value", answer);
answer();
draw();
