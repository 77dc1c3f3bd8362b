// Stands before the scripts of each component: what shared.js holds, and what finds the component's own elements.
const { LABELS, MODALITIES, COLOURS, MOOD_WORDS, MOOD_COLOURS } = window.emotion;
const { language, say, translate, capital, labelName, partName, within, hundred, percent } = window.emotion;
const { moodName, moodColour, lowest, drawScore, html, svg, askTwice, copy, pause, unpacked, plain } = window.emotion;
const one = (selector, root = element) => root.querySelector(selector);
const all = (selector, root = element) => [...root.querySelectorAll(selector)];

