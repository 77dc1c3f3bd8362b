// Two weightings of the same readings. Runs once, when the component is there; fusion.js, votes.js and sides.js stand before it.
const column = Object.fromEntries(SIDES.map((set) => [set, one(`.set[data-set="${set}"]`)]));

const root = one(".comparison");

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

async function copyYaml(set) {
  const text = one(".yaml textarea");
  text.value = yaml(set);
  one(".yaml").hidden = false;
  const said = (await copy(text)) ? "compare_copied" : "compare_not_copied";
  one(".yaml p").textContent = say(said, { set });
}

// --- the two results

function draw() {
  if (!root.open || root.hidden) return; // unread, or of no readings
  results = Object.fromEntries(SIDES.map((set) => [set, fuse(given.readings, weightsOf(set))]));
  SIDES.forEach((set) => drawSet(set, results[set]));
  drawScale(results);
  for (const row of all("tr[data-label]")) drawLabel(row, ...SIDES.map((set) => results[set].probabilities[row.dataset.label]));
  one(".difference").textContent = difference(results.A, results.B);
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
  drawScore(one(".score", column[set]), result.mood, 2);
  one(".says", column[set]).textContent = answerOf(result);
  one(".remark", column[set]).textContent = remark(result);
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
  root.hidden = !read.length;
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
  if (button.classList.contains("copy")) copyYaml(set);
  if (button.classList.contains("json")) download("votes.json", "application/json", votes.json());
  if (button.classList.contains("csv")) download("votes.csv", "text/csv", votes.csv());
});
askTwice(one(".clear"), drawVotes, clear);
translate(element);
for (const set of SIDES)
  for (const button of all("[data-preset]", column[set])) button.setAttribute("aria-label", `${set}: ${one("span", button).textContent}`);
root.addEventListener("toggle", draw);
watch("value", answer);
answer();
drawVotes();
