// Two answers beside each other, A and B: what the comparison of weightings and that of analyses say and draw alike. Differences are
// those of the numbers that stand beside them.
const SIDES = ["A", "B"];
const signed = (number, text = Math.abs(number)) => (number ? (number > 0 ? "+" : "\u2212") : "") + text;

function answerOf({ mood, label, probabilities }) {
  if (mood === null) return say("no_mood");
  return capital(say("answer", { mood: moodName(mood), label: labelName(label), share: percent(probabilities[label]) }));
}

// How far the modalities that counted agree, of which there is one at least.
function agreed({ mixed, agreement }, counted) {
  if (counted.length === 1) return say("read_alone", { name: say(`from_${counted[0]}`) });
  return say(mixed ? "agreement_mixed" : "agreement", { degree: agreement.toFixed(2) });
}

function difference(A, B) {
  const apart = hundred(B.mood) - hundred(A.mood);
  const points = Math.abs(apart / 100).toFixed(2);
  const moods = apart === 0 ? say("compare_same") : say(apart > 0 ? "compare_higher" : "compare_lower", { points });
  const [a, b] = [A.label, B.label].map(labelName);
  return a === b ? say("compare_both_say", { moods, label: a }) : say("compare_each_says", { moods, a, b });
}

// The bars of a label, whose share on a side is undefined where nothing was read, and the change from A to B.
function drawLabel(row, a, b) {
  [a, b].forEach((share, i) => {
    const bar = one(`.bar[data-set="${SIDES[i]}"]`, row);
    bar.style.setProperty("--share", share ?? 0);
    one("span", bar).textContent = share === undefined ? "–" : percent(share);
  });
  const change = a === undefined || b === undefined ? 0 : hundred(b) - hundred(a);
  one(".change i", row).style.setProperty("--change", Math.abs(change) / 100);
  one(".change i", row).classList.toggle("less", change < 0);
  one(".change span", row).textContent = signed(change);
}
