// Two answers beside each other, A and B: what the comparison of weightings and that of analyses say and draw alike.

// How far the modalities that counted agree, of which there is one at least.
function agreed({ mixed, agreement }, counted) {
  if (counted.length === 1) return say("read_alone", { name: say(`from_${counted[0]}`) });
  return say(mixed ? "agreement_mixed" : "agreement", { degree: agreement.toFixed(2) });
}
