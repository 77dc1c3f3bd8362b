// The timeline of a recording. Runs once, when the component is there; SPECTROGRAM_HZ and PITCH_HZ come from Python.
const HEARD_S = 4; // of sound in view: a window and a second on either side
const MANY = 60; // windows, from which on marks are small
const TICKS = 10; // on the axis, at most
const TICK_STEPS = [0.5, 1, 2, 5, 10, 20, 30, 60];
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

const root = one(".timeline");
const table = one(".timeline details");
const cursor = one(".cursor");
let given = {}; // the last value, and of those before it what it leaves out
let pitch = new Uint8Array();
let pinned = 0; // seconds
let hovered = null;
let begun = false; // whether the recording that was given last is drawn

// --- words for numbers

const seconds = (value) => String(Math.round(10 * value) / 10);

function top({ probabilities }) {
  const share = Math.max(...probabilities);
  const label = LABELS[probabilities.indexOf(share)];
  return { colour: COLOURS[label], text: `${labelName(label)} ${percent(share)}` };
}

// --- the chart

const middle = ({ start, end }) => (start + end) / 2;
const read = () => MODALITIES.filter((name) => given.spans.some(({ modalities }) => name in modalities));

function draw() {
  const names = read();
  all("[data-read]").forEach((part) => part.toggleAttribute("hidden", !names.includes(part.dataset.read)));
  root.classList.toggle("many", given.spans.length > MANY);
  one(".plot.moods").setAttribute("viewBox", `0 0 ${given.duration} 4`);
  all(".halo, .line").forEach((path) => path.setAttribute("d", line()));
  all("[data-marks]").forEach((path) => path.setAttribute("d", marks(path.dataset.marks)));
  for (const name of names) {
    const strip = one(`.strip[data-read="${name}"]`);
    strip.setAttribute("viewBox", `0 0 ${given.duration} 1`);
    stacked(name).forEach((d, label) => strip.children[label].setAttribute("d", d));
  }
  cursor.setAttribute("aria-valuemax", given.duration);
  if (table.open) tabulate();
}

// A step for each window, broken where nothing was read.
function line() {
  const { spans, moods } = given;
  const reach = (i) => (i && spans[i - 1].end === spans[i].start ? "V" : `M${spans[i].start} `);
  return moods.map((mood, i) => `${reach(i)}${5 - mood}H${spans[i].end}`).join("");
}

// Lines without length, of which only the caps are seen: round and square whatever the chart is stretched to. Those of a window stand
// side by side, so that equal moods do not cover each other.
function marks(name) {
  const at = (MODALITIES.indexOf(name) + 1) / (MODALITIES.length + 1);
  const found = given.spans.filter(({ modalities }) => name in modalities);
  return found.map(({ start, end, modalities }) => `M${start + at * (end - start)} ${5 - modalities[name].mood}h0`).join("");
}

// A path for each label.
function stacked(name) {
  const paths = LABELS.map(() => "");
  for (const { start, end, modalities } of given.spans) {
    let below = 1;
    modalities[name]?.probabilities.forEach((share, label) => {
      paths[label] += `M${start} ${below}H${end}V${(below -= share)}H${start}Z`;
    });
  }
  return paths;
}

function drawAxis() {
  const step = TICK_STEPS.find((step) => given.duration / step <= TICKS);
  const ticks = Array.from({ length: Math.floor(given.duration / step) + 1 }, (_, i) => {
    const tick = html("span", {}, `${i * step} s`);
    tick.style.setProperty("--at", (i * step) / given.duration);
    tick.classList.toggle("last", i * step > 0.97 * given.duration);
    return tick;
  });
  one(".axis").replaceChildren(...ticks);
}

// --- a moment

// The window at a moment; where nothing was read, the time from the window before to the next.
function windowAt(moment) {
  const { spans, duration } = given;
  const index = spans.findLastIndex(({ start }) => start <= moment);
  const last = index === spans.length - 1;
  if (index >= 0 && (moment < spans[index].end || (last && moment <= spans[index].end))) return { ...spans[index], mood: given.moods[index] };
  return { start: index < 0 ? 0 : spans[index].end, end: last ? duration : spans[index + 1].start, mood: null, modalities: {} };
}

function show() {
  const moment = hovered ?? pinned;
  const here = windowAt(moment);
  const share = (time) => time / given.duration;
  cursor.style.setProperty("--start", share(here.start));
  cursor.style.setProperty("--end", share(here.end));
  cursor.style.setProperty("--moment", share(moment));
  cursor.style.setProperty("--pin", share(pinned));
  cursor.setAttribute("aria-valuenow", seconds(pinned));
  cursor.setAttribute("aria-valuetext", inWords(windowAt(pinned)));
  tell(here);
  showPicture(moment);
  showSound(here, moment);
}

const times = ({ start, end }) => say("timeline_times", { start: seconds(start), end: seconds(end) });

function inWords(here) {
  if (here.mood === null) return `${times(here)}: ${say("timeline_nothing")}`;
  const parts = Object.entries(here.modalities).map(([name, part]) => `${partName(name)} ${top(part).text}`);
  return [`${times(here)}: ${say("mood_short")} ${here.mood.toFixed(2)}, ${moodName(here.mood)}`, ...parts, wordsIn(here)].join(". ");
}

function tell(here) {
  const score = one(".score");
  const nothing = here.mood === null;
  drawScore(score, here.mood, 2);
  score.classList.toggle("known", !nothing);
  one(".when").textContent = times(here);
  one(".says").textContent = nothing ? say("timeline_nothing") : moodName(here.mood);
  for (const row of all(".told tr")) {
    const part = here.modalities[row.dataset.read];
    const { colour, text } = part ? top(part) : { colour: "transparent", text: "–" };
    one(".mood", row).textContent = part ? part.mood.toFixed(2) : "–";
    one(".top i", row).style.background = colour;
    one(".top span", row).textContent = text;
  }
  one(".told .words").textContent = wordsIn(here);
}

function wordsIn({ start, end }) {
  if (given.typed) return say("timeline_typed");
  const said = given.words.filter((segment) => segment.start < end && segment.end > start).map(({ text }) => text);
  return said.length ? say("quoted", { text: said.join(" … ") }) : say("timeline_no_words");
}

function showPicture(moment) {
  const { pictures } = given.recording;
  if (!pictures.length) return;
  const nearest = pictures.reduce((best, picture) => (Math.abs(picture.time - moment) < Math.abs(best.time - moment) ? picture : best));
  const image = one(".picture img");
  if (image.dataset.time === String(nearest.time)) return;
  image.dataset.time = nearest.time;
  image.src = `data:image/jpeg;base64,${nearest.jpeg}`;
  image.alt = one(".picture figcaption").textContent = say("picture_at", { time: seconds(nearest.time) });
}

function showSound(here, moment) {
  if (!given.recording.sound) return;
  const whole = given.recording.sound.seconds;
  const about = here.end - here.start > HEARD_S ? moment : middle(here); // a long time in which nothing was read
  const length = Math.min(HEARD_S, whole);
  const from = within(about - length / 2, 0, whole - length);
  const ms = (time) => Math.round(1000 * time);
  one(".sound svg").setAttribute("viewBox", `${ms(from)} 0 ${ms(length)} 1000`);
  one(".sound .edge").setAttribute("d", `M${ms(here.start)} 0V1000M${ms(here.end)} 0V1000`);
  one(".sound .pitch").setAttribute("d", pitchLine(from, from + length));
  const heard = times({ start: from, end: from + length });
  one(".sound figcaption").textContent = say(pitch.length ? "timeline_sound_pitch" : "timeline_sound", { times: heard });
  one(".sound [role=img]").setAttribute("aria-label", say("timeline_spectrogram", { times: heard }));
}

function pitchLine(from, to) {
  if (!pitch.length) return "";
  const { step } = given.recording.pitch;
  const [low, high] = SPECTROGRAM_HZ.map(Math.log);
  const [lowest, highest] = PITCH_HZ.map(Math.log);
  const y = (point) => Math.round((1000 * (high - lowest - ((point - 1) / 254) * (highest - lowest))) / (high - low));
  let d = "";
  for (let i = Math.max(0, Math.floor(from / step)); i < Math.min(pitch.length, to / step + 1); i++) {
    if (pitch[i]) d += `${i && pitch[i - 1] && d ? "L" : "M"}${Math.round(1000 * i * step)} ${y(pitch[i])}`;
  }
  return d;
}

// --- the table

function tabulate() {
  const rows = given.spans.map(({ start, end, modalities }, i) => {
    const parts = MODALITIES.map((name) => (modalities[name] ? top(modalities[name]).text : "–"));
    return html("tr", {}, ...[start, end, given.moods[i].toFixed(2), ...parts].map((text) => html("td", {}, text)));
  });
  one("tbody", table).replaceChildren(...rows);
}

// --- what happens

function answer() {
  const news = plain(props.value);
  root.hidden = !news;
  if (!news) return;
  given = { ...given, ...news };
  if (given.moods.length !== given.spans?.length) return; // weights of an answer that another has just replaced
  begun &&= !news.recording;
  render();
}

// Nothing is drawn before somebody looks.
function render() {
  if (!root.open || !given.spans) return;
  if (!begun) begin();
  draw();
  show();
}

function begin() {
  begun = true;
  const { pictures, sound, pitch: line } = given.recording;
  pitch = unpacked(line?.points ?? "");
  pinned = middle(given.spans[0]);
  hovered = null;
  delete one(".picture img").dataset.time;
  one(".picture").hidden = !pictures.length;
  one(".sound").hidden = !sound;
  if (sound) {
    one(".sound image").setAttribute("width", Math.round(1000 * sound.seconds));
    one(".sound image").setAttribute("href", `data:image/jpeg;base64,${sound.jpeg}`);
  }
  drawAxis();
}

function timeAt({ clientX }) {
  const { left, width } = cursor.getBoundingClientRect();
  return within((clientX - left) / width, 0, 1) * given.duration;
}

function hover(moment) {
  hovered = moment;
  show();
}

function pin(moment) {
  pinned = moment;
  hover(null);
}

cursor.addEventListener("pointermove", (event) => {
  if (event.buttons) pin(timeAt(event));
  else if (event.pointerType !== "touch") hover(timeAt(event));
});
cursor.addEventListener("pointerleave", () => hover(null));
cursor.addEventListener("click", (event) => pin(timeAt(event)));
cursor.addEventListener("keydown", (event) => {
  if (!(event.key in KEYS)) return;
  event.preventDefault();
  const index = given.spans.findLastIndex(({ start }) => start <= pinned);
  pin(middle(given.spans[within(index + KEYS[event.key], 0, given.spans.length - 1)]));
});
root.addEventListener("toggle", render);
table.addEventListener("toggle", () => table.open && tabulate());
translate(element);
watch("value", answer);
answer();
