// Two weightings of the same readings. Runs once, when the component is there; fusion.js and votes.js stand before it.
const SETS = ["A", "B"];
const { say } = window.emotion;
const one = (selector, root = element) => root.querySelector(selector);
const all = (selector, root = element) => [...root.querySelectorAll(selector)];
const column = Object.fromEntries(SETS.map((set) => [set, one(`.set[data-set="${set}"]`)]));
const hundred = (value) => Math.round(100 * value);
const percent = (share) => `${hundred(share)}%`;
const signed = (points) => (points ? (points > 0 ? "+" : "\u2212") : "") + Math.abs(points);

let given = { readings: {}, fitted: {}, models: {} };
let results = {};
let started = false;

// --- weights

const slider = (set, modality) => one(`[data-modality="${modality}"] input`, column[set]);
const weightsOf = (set) => Object.fromEntries(MODALITIES.map((name) => [name, Number(slider(set, name).value)]));

const PRESETS = {
  ...Object.fromEntries(MODALITIES.map((only) => [only, (name) => (name === only ? 1 : 0)])),
  equal: () => 1,
  fitted: (name) => given.fitted[name],
};

function preset(set, name) {
  MODALITIES.forEach((modality) => (slider(set, modality).value = PRESETS[name](modality)));
}

function isPreset(set, name) {
  return MODALITIES.every((modality) => Math.abs(slider(set, modality).value - PRESETS[name](modality)) < 0.005);
}

// Hundredths that sum to 1: what rounding down leaves over goes to where it took most.
function hundredths(weights) {
  const total = sum(weights);
  const exact = weights.map((weight) => (total > 0 ? (100 * weight) / total : 100 / weights.length));
  const result = exact.map(Math.floor);
  const order = weights.map((_, i) => i).sort((a, b) => exact[b] - result[b] - (exact[a] - result[a]));
  order.slice(0, 100 - sum(result)).forEach((i) => (result[i] += 1));
  return result.map((value) => value / 100);
}

function yaml(set) {
  const shares = hundredths(Object.values(weightsOf(set)));
  const entry = (name, i) => `${name}:\n  - name: ${scalar(given.models[name])}\n    fusion_weight: ${shares[i].toFixed(2)}\n`;
  return MODALITIES.map(entry).join("");
}

function scalar(text) {
  return /^[A-Za-z]+[-./][\w./-]*$/.test(text) ? text : JSON.stringify(text); // a number or "yes" would not be read as text
}

async function copy(set) {
  const text = one(".yaml textarea");
  text.value = yaml(set);
  one(".yaml").hidden = false;
  const said = (await window.emotion.copy(text)) ? "compare_copied" : "compare_not_copied";
  one(".yaml p").textContent = say(said, { set });
}

// --- the two results

function draw() {
  results = Object.fromEntries(SETS.map((set) => [set, fuse(given.readings, weightsOf(set))]));
  SETS.forEach((set) => drawSet(set, results[set]));
  drawScale(results);
  drawBars(results);
  one(".difference").textContent = difference(results);
  one(".noted").textContent = "";
}

function drawSet(set, result) {
  for (const modality of MODALITIES) {
    const input = slider(set, modality);
    const share = result.shares[modality];
    const weight = Number(input.value).toFixed(2);
    const [worth, spoken] = share === undefined ? [say("not_read"), weight]
      : [`${weight} → ${percent(share)}`, say("compare_weight_share", { weight, share: percent(share) })];
    one(`[data-modality="${modality}"] .worth`, column[set]).textContent = worth;
    input.setAttribute("aria-valuetext", spoken);
  }
  all("[data-preset]", column[set]).forEach((button) => button.setAttribute("aria-pressed", isPreset(set, button.dataset.preset)));
  one(".score", column[set]).style.background = moodColour(result.mood);
  one(".score", column[set]).classList.toggle("lowest", result.mood < MOOD_WORDS[0][0]);
  one(".score b", column[set]).textContent = result.mood.toFixed(2);
  one(".says", column[set]).textContent = headline(result);
  one(".remark", column[set]).textContent = remark(result);
}

function headline({ mood, label, probabilities }) {
  const word = say(`mood_${moodWord(mood).replace(" ", "_")}`);
  return capital(say("answer", { mood: word, label: say(`label_${label}`), share: percent(probabilities[label]) }));
}

function remark(result) {
  if (result.equalised) return say("compare_equalised");
  return agreed(result, MODALITIES.filter((name) => result.shares[name] > 0));
}

function drawScale({ A, B }) {
  all(".mark").forEach((mark) => mark.style.setProperty("--at", (results[mark.dataset.set].mood - 1) / 4));
  all(".mark span").forEach((text) => (text.textContent = results[text.parentNode.dataset.set].mood.toFixed(2)));
  one(".scale").setAttribute("aria-label", say("compare_scale", { a: A.mood.toFixed(2), b: B.mood.toFixed(2) }));
}

function drawBars({ A, B }) {
  for (const row of all("tr[data-label]")) {
    const label = row.dataset.label;
    for (const set of SETS) {
      const bar = one(`.bar[data-set="${set}"]`, row);
      bar.style.setProperty("--share", results[set].probabilities[label]);
      one("span", bar).textContent = percent(results[set].probabilities[label]);
    }
    const change = hundred(B.probabilities[label]) - hundred(A.probabilities[label]); // of the numbers that stand beside it
    one(".change i", row).style.setProperty("--change", Math.abs(change) / 100);
    one(".change i", row).classList.toggle("less", change < 0);
    one(".change span", row).textContent = signed(change);
  }
}

function difference({ A, B }) {
  const apart = (hundred(B.mood) - hundred(A.mood)) / 100;
  const points = Math.abs(apart).toFixed(2);
  const moods = apart === 0 ? say("compare_same") : say(apart > 0 ? "compare_higher" : "compare_lower", { points });
  const [a, b] = [A, B].map(({ label }) => say(`label_${label}`));
  return a === b ? say("compare_both_say", { moods, label: a }) : say("compare_each_says", { moods, a, b });
}

function moodColour(value) {
  return CONSTANTS.MOOD_COLOURS[MOOD_WORDS.findIndex(([upper]) => value < upper)];
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// --- votes

const named = (choice) => (choice === "neither" ? say("vote_neither") : choice);

function vote(choice) {
  const side = (set) => {
    const { equalised, ...result } = results[set];
    return { weights: weightsOf(set), ...result };
  };
  try {
    votes.add(choice, { readings: given.readings, A: side("A"), B: side("B") });
    one(".noted").textContent = say("vote_noted", { choice: named(choice) });
  } catch {
    one(".noted").textContent = say("vote_not_kept");
  }
  drawVotes();
}

function drawVotes() {
  const kept = keptVotes();
  const count = (choice) => kept.filter((vote) => vote.choice === choice).length;
  const counted = kept.length === 1 ? say("vote_one") : say("vote_many", { count: kept.length });
  const choices = CHOICES.map((choice) => `${named(choice)} ${count(choice)}`).join(", ");
  one(".count").textContent = kept.length ? say("vote_count", { votes: counted, choices }) : say("vote_none");
  all(".kept button").forEach((button) => (button.disabled = !kept.length));
  one(".clear").textContent = one(".clear").classList.contains("sure") ? say("vote_sure", { votes: counted }) : say("compare_clear");
}

function keptVotes() {
  try {
    return votes.all();
  } catch {
    return [];
  }
}

function clear() {
  if (one(".clear").classList.toggle("sure")) return drawVotes(); // asked once more
  votes.clear();
  one(".noted").textContent = say("vote_cleared");
  drawVotes();
}

// --- what happens

function enable(modality, read) {
  const reason = one(`#compare-reason-${modality}`);
  reason.hidden = read;
  for (const control of all(`[data-modality="${modality}"] input, [data-preset="${modality}"]`)) {
    control.disabled = !read;
    control.title = read ? "" : reason.textContent;
    if (read) control.removeAttribute("aria-describedby"); // a hidden description would be read out all the same
    else control.setAttribute("aria-describedby", reason.id);
  }
}

function answer() {
  given = props.value || { readings: {}, fitted: {}, models: {} };
  const read = MODALITIES.filter((name) => name in given.readings);
  one(".comparison").hidden = !read.length;
  if (!read.length) return;
  if (!started) {
    preset("A", "fitted");
    preset("B", "equal");
    started = true;
  }
  MODALITIES.forEach((modality) => enable(modality, read.includes(modality)));
  one(".reasons .alone").hidden = read.length > 1;
  one(".yaml").hidden = true;
  draw();
}

element.addEventListener("input", (event) => event.target.type === "range" && draw());
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const set = button.closest(".set")?.dataset.set;
  if (button.dataset.preset) {
    preset(set, button.dataset.preset);
    draw();
  }
  if (button.dataset.vote) vote(button.dataset.vote);
  if (button.classList.contains("copy")) copy(set);
  if (button.classList.contains("json")) download("votes.json", "application/json", votes.json());
  if (button.classList.contains("csv")) download("votes.csv", "text/csv", votes.csv());
  if (button.classList.contains("clear")) clear();
});
one(".clear").addEventListener("blur", () => {
  one(".clear").classList.remove("sure");
  drawVotes();
});
window.emotion.translate(element);
for (const set of SETS)
  for (const button of all("[data-preset]", column[set])) button.setAttribute("aria-label", `${set}: ${one("span", button).textContent}`);
one(".comparison").open = matchMedia("(min-width: 601px)").matches; // a phone's screen is short
watch("value", answer);
answer();
drawVotes();
