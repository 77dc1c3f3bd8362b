// Votes, kept in this browser and nowhere else: numbers only, no words, sound or pictures.
const CHOICES = ["A", "B", "neither"];
const VOTES_KEY = "emotion-weighting-votes";

// Throws where the browser keeps nothing; what is there and no list of votes counts as none.
const votes = {
  all() {
    try {
      const kept = JSON.parse(localStorage.getItem(VOTES_KEY));
      return Array.isArray(kept) ? kept.filter((vote) => vote && CHOICES.includes(vote.choice)) : [];
    } catch (error) {
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  },

  // A second vote on what is still the same comparison is a change of mind.
  add(choice, compared) {
    const kept = votes.all();
    const { time, choice: last, ...same } = kept.at(-1) || {};
    if (JSON.stringify(same) === JSON.stringify(compared)) kept.pop();
    localStorage.setItem(VOTES_KEY, JSON.stringify([...kept, { time: new Date().toISOString(), choice, ...compared }]));
  },

  clear() {
    localStorage.removeItem(VOTES_KEY);
  },

  json() {
    return JSON.stringify(votes.all(), null, 2);
  },

  // One row a vote; a column for every number in any of them, named by its path.
  csv() {
    const rows = votes.all().map((vote) => flat(vote));
    const columns = [...new Set(rows.flatMap(Object.keys))];
    const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ""))];
    return lines.map((line) => line.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join(",") + "\r\n").join("");
  },
};

function flat(value, path = []) {
  if (value === null || typeof value !== "object") return { [path.join(".")]: value };
  return Object.assign({}, ...Object.entries(value).map(([key, part]) => flat(part, [...path, key])));
}
