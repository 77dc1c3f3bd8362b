// What the scripts of the page share, in window.emotion. Runs before the page; before it stands, from Python: window.emotion = {...}.
(() => {
  const { MOOD_WORDS, MOOD_COLOURS } = window.emotion;

  // --- words

  const texts = () => window.gradio_config.i18n_translations; // the table of texts.yaml, by language
  const first = navigator.language.slice(0, 2).toLowerCase();
  const language = () => (first in texts() ? first : "en");

  // The text of a key in the browser's first language, its {fields} filled in.
  const say = (key, values = {}) => texts()[language()][key].replace(/{(\w+)}/g, (field, name) => values[name] ?? field);

  // Elements that name a key in data-say take its text; those of data-say-label, their accessible name. Their data-* fill its {fields}.
  const translate = (root) => {
    root.querySelectorAll("[data-say]").forEach((place) => (place.textContent = say(place.dataset.say, place.dataset)));
    root.querySelectorAll("[data-say-label]").forEach((place) => place.setAttribute("aria-label", say(place.dataset.sayLabel, place.dataset)));
  };

  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const labelName = (label) => say(`label_${label}`);
  const partName = (name) => say(`name_${name}`);

  // --- numbers

  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const hundred = (value) => Math.round(100 * value);
  const percent = (share) => say("percent", { number: hundred(share) }); // as Say.percent of texts.py

  // --- moods

  const band = (mood) => MOOD_WORDS.findIndex(([upper]) => mood < upper);
  const moodName = (mood) => say(`mood_${MOOD_WORDS[band(mood)][1].replaceAll(" ", "_")}`);
  const moodColour = (mood) => MOOD_COLOURS[band(mood)];
  const lowest = (mood) => band(mood) === 0; // its colour is too dark for dark letters

  // A mood's figure on its colour, or a dash.
  const drawScore = (place, mood, decimals) => {
    place.style.background = mood === null ? "" : moodColour(mood);
    place.classList.toggle("lowest", mood !== null && lowest(mood));
    place.querySelector("b").textContent = mood === null ? "–" : mood.toFixed(decimals);
  };

  // --- elements

  const filled = (node, attributes, children) => {
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    node.append(...children);
    return node;
  };
  // A new element; children that are no elements are its text, never HTML.
  const html = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // What a button does for good it does at the second press; ``draw`` labels it by its class "sure".
  const askTwice = (button, draw, act) => {
    button.addEventListener("click", () => {
      button.focus(); // Safari leaves a clicked button without it, and what has none loses none
      if (button.classList.toggle("sure")) draw();
      else act();
    });
    button.addEventListener("blur", () => {
      button.classList.remove("sure");
      draw();
    });
  };

  // Copies what a field holds; where the browser does not let a page, the field is selected for the visitor to copy.
  const copy = async (field) => {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      field.focus();
      field.select();
      return false;
    }
  };

  // --- values

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const unpacked = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const plain = (value) => JSON.parse(JSON.stringify(value ?? null)); // Gradio hands over a proxy, which is slow to read

  Object.assign(window.emotion, { language, say, translate, capital, labelName, partName, within, hundred, percent });
  Object.assign(window.emotion, { moodName, moodColour, lowest, drawScore, html, svg, askTwice, copy, pause, unpacked, plain });
})();
