// The visitor's own baseline, as JSON: this browser keeps it, and the page hands it in with each analysis.
const OWN_KEY = "emotion-baseline";
const file = one("input");

const kept = () => {
  try {
    return localStorage.getItem(OWN_KEY) ?? "";
  } catch {
    return ""; // this browser keeps nothing: it lasts as long as the page
  }
};
const keep = (value) => {
  try {
    value ? localStorage.setItem(OWN_KEY, value) : localStorage.removeItem(OWN_KEY);
  } catch {
    // as above
  }
};
const read = (value) => {
  try {
    return MODALITIES.filter((name) => name in JSON.parse(value));
  } catch {
    return [];
  }
};

function draw() {
  const covered = read(props.value);
  one(".own").classList.toggle("active", covered.length > 0);
  one(".state").textContent = say(`own_of_${covered.join("_") || "nothing"}`);
  all(".remove, .export").forEach((button) => (button.hidden = !covered.length));
}

function change(value) {
  one(".trouble").textContent = "";
  props.value = value;
  keep(value);
  draw();
}

one(".set").addEventListener("click", () => trigger("submit"));
one(".remove").addEventListener("click", () => {
  change("");
  one("summary").focus(); // the button is gone
});
one(".export").addEventListener("click", () => download("baseline.json", "application/json", props.value));
one(".import").addEventListener("click", () => file.click());
file.addEventListener("change", async () => {
  const [chosen] = file.files;
  file.value = ""; // the same file can be chosen again
  if (!chosen) return;
  const text = await chosen.slice(0, MOST_BYTES + 1).text(); // a larger one is refused by its size
  const trouble = await server.trouble({ text, language: language() });
  one(".trouble").textContent = trouble;
  if (!trouble) change(text);
});

translate(element);
// The server sets one, and Gradio empties the component once when it has made it: nothing else comes from there.
const restore = () => {
  if (props.value) keep(props.value);
  else if (kept()) props.value = kept();
  draw();
};
watch("value", restore);
restore();
