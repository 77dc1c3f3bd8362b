// The formula of emotion/fusion.py, for the browser. Its constants VALENCE, LEAN, PULL and MIXED_FROM come from Python.

const sum = (values) => values.reduce((total, value) => total + value, 0);
const dot = (a, b) => sum(a.map((value, i) => value * b[i]));
const entropy = (p) => -sum(p.filter((value) => value > 0).map((value) => value * Math.log(value)));

// readings: of each modality {probabilities: {label: p}, reliability}, as "modalities" of an analysis in JSON has them; weights: of
// each modality a number of at least 0. equalised: whether all weights that count were zero and were taken as equal.
function fuse(readings, weights) {
  const names = MODALITIES.filter((name) => name in readings);
  for (const [name, weight] of Object.entries(weights)) {
    if (!Number.isFinite(weight) || weight < 0) throw new RangeError(`The fusion weight of ${name} is ${weight}.`);
  }
  if (!names.length) return { mood: null, label: null, probabilities: null, agreement: null, mixed: false, shares: {}, equalised: false };
  const equalised = !names.some((name) => weights[name]);
  const share = shared(names.map((name) => (equalised ? 1 : weights[name] || 0)), names.map((name) => readings[name].reliability));
  const parts = names.map((name) => vector(readings[name].probabilities));
  const fused = LABELS.map((_, i) => dot(share, parts.map((part) => part[i])));
  const moods = parts.map(mood);
  return {
    mood: pulledMood(moods, share),
    label: LABELS[fused.indexOf(Math.max(...fused))],
    probabilities: byName(LABELS, scaled(fused)),
    agreement: agreement(parts, share),
    mixed: Math.sqrt(variance(moods, share)) >= MIXED_FROM,
    shares: byName(names, share),
    equalised,
  };
}

function mood(probabilities) {
  const valence = dot(probabilities, VALENCE);
  return 3 + (2 * (1 + LEAN ** 2) * valence * Math.abs(valence)) / (valence ** 2 + LEAN ** 2);
}

function shared(weights, reliabilities) {
  let force = weights.map((weight, i) => weight * reliabilities[i]);
  if (!force.some(Boolean)) force = weights; // nothing is reliable: what there is still counts by its weight
  const top = Math.max(...force);
  return scaled(force.map((value) => value / top)); // huge or tiny weights neither overflow nor vanish
}

function pulledMood(moods, share) {
  const mean = dot(share, moods);
  const counted = moods.filter((_, i) => share[i] > 0);
  return within(mean + ((3 - mean) * PULL * variance(moods, share)) / 4, Math.min(...counted), Math.max(...counted));
}

function variance(moods, share) {
  const mean = dot(share, moods);
  return dot(share, moods.map((value) => (value - mean) ** 2));
}

function agreement(parts, share) {
  const possible = entropy(share);
  if (possible < 1e-9) return 1;
  const fused = LABELS.map((_, i) => dot(share, parts.map((part) => part[i])));
  return within(1 - (entropy(fused) - dot(share, parts.map(entropy))) / possible, 0, 1);
}

// JSON rounds probabilities: their sum is brought back to 1, as readings.vector does.
function vector(probabilities) {
  return scaled(LABELS.map((label) => probabilities[label]));
}

function scaled(values) {
  const total = sum(values);
  return values.map((value) => value / total);
}

function byName(names, values) {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}
