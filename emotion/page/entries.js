// The analyses of this visit, oldest first, as {id, time, source, analysis} and what the page says of each in the visitor's language:
// kept by the browser for as long as its tab is open, or in memory where it keeps nothing. sides.js stands before it.
const PREFIX = "emotion-analysis:";
const MOST = 50;

const entries = (() => {
  let all = stored();
  let kept = true; // whether the browser took the last one

  function stored() {
    try {
      const keys = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
      return keys.flatMap(usable).sort((a, b) => (a.time < b.time ? -1 : 1));
    } catch {
      return [];
    }
  }

  // What another version of the page left in another format goes.
  function usable(key) {
    try {
      const entry = JSON.parse(sessionStorage.getItem(key));
      const { analysis, why, cautions, measured, models } = entry;
      const parts = [analysis.modalities, measured, models];
      if ("mood" in analysis && [why, cautions].every(Array.isArray) && parts.every((part) => part.constructor === Object)) return [entry];
    } catch {
      // not even an object
    }
    sessionStorage.removeItem(key);
    return [];
  }

  // The oldest make room, of those that the browser keeps: others would make none.
  function store(entry) {
    for (;;) {
      try {
        sessionStorage.setItem(PREFIX + entry.id, JSON.stringify(entry));
        return true;
      } catch (error) {
        if (error.name !== "QuotaExceededError") return false;
        const oldest = all.find(({ id }) => id !== entry.id && sessionStorage.getItem(PREFIX + id));
        if (!oldest) return false;
        drop(oldest);
      }
    }
  }

  function drop(entry) {
    all = all.filter((other) => other !== entry);
    try {
      sessionStorage.removeItem(PREFIX + entry.id);
    } catch {
      // there was nothing kept
    }
  }

  return {
    all: () => all,
    kept: () => kept,

    // Takes a new analysis, or what an old one became; says whether others had to go.
    put(value) {
      const before = all.find(({ id }) => id === value.id);
      const entry = { ...value, time: before?.time ?? new Date().toISOString() };
      all = before ? all.map((other) => (other === before ? entry : other)) : [...all, entry];
      const count = all.length;
      if (count > MOST) drop(all[0]);
      kept = store(entry);
      return all.length < count;
    },

    // What other weights made of the analysis with this id: the fused values, the modalities' weights and the timeline's moods.
    weigh({ id, fusion, weights, moods, ...told }) {
      const { source, analysis } = all.find((entry) => entry.id === id) ?? {};
      if (!analysis || moods.length !== (analysis.timeline?.length ?? 0)) return false; // gone, or of another text by now
      const parts = Object.entries(analysis.modalities);
      if (parts.some(([name]) => !(name in weights))) return false;
      const modalities = Object.fromEntries(parts.map(([name, part]) => [name, { ...part, weight: weights[name] }]));
      const timeline = analysis.timeline?.map((span, i) => ({ ...span, mood: moods[i] })) ?? null;
      return this.put({ id, source, analysis: { ...analysis, ...fusion, modalities, timeline }, ...told });
    },

    clear: () => all.forEach(drop),
  };
})();

// --- how they are said

const clock = (entry) => new Date(entry.time).toLocaleTimeString(language(), { hourCycle: "h23" });
const what = (entry) => `${clock(entry)}, ${entry.source}`;
const partsOf = (analysis) => MODALITIES.filter((name) => name in analysis.modalities);
const countedOf = (analysis) => partsOf(analysis).filter((name) => analysis.modalities[name].weight > 0);

function lengthOf(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
}

function agreementOf(analysis) {
  const parts = countedOf(analysis);
  return parts.length ? agreed(analysis, parts) : "";
}

// --- files

const stamp = (entry) => {
  const time = new Date(entry.time);
  const parts = [time.getFullYear(), time.getMonth() + 1, time.getDate(), time.getHours(), time.getMinutes(), time.getSeconds()];
  return parts.map((part) => String(part).padStart(2, "0")).join("-");
};

// One row a span; the columns of a modality that was not read there are empty.
function timelineCsv({ timeline }) {
  const columns = MODALITIES.flatMap((name) => [`${name}_mood`, ...LABELS.map((label) => `${name}_${label}`)]);
  const rows = timeline.map((span) => {
    const cells = MODALITIES.flatMap((name) => {
      const part = span.modalities[name];
      return [part?.mood, ...LABELS.map((label) => part?.probabilities[label])];
    });
    return [span.start, span.end, span.mood, ...cells];
  });
  return [["start", "end", "mood", ...columns], ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}
