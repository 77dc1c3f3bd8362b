// The Live tab in the browser: sends sound and pictures, draws what comes back. Runs once, when the tab is first shown.
const root = one(".live");
const settings = JSON.parse(root.dataset.settings);
const now = document.querySelector("#live-now .live"); // what is read, where the answer stands
const part = (selector) => one(selector, root) ?? one(selector, now);

const PACKET_S = 0.2; // of sound in a packet, at least: what could not be sent meanwhile goes with the next
const MOST_BLOCKS = 11_000; // of 128 samples, and at most: half a minute
const PICTURE_MS = 100; // from one picture to the next, at least: the next is taken when the last was answered
const SIDE = 480; // pixels of a picture's longer side
const QUALITY = 0.75;
const HELD_MS = 150; // sound may still be on its way when Stop is pressed
const ATTEMPTS = 60; // to send a packet, one a second: later nobody waits any more

let live = null; // the session that runs
let finished = null; // the last one that was stopped: its analysis may fail, and can be tried again for a while
const clear = { columns: 0, wave: [], bands: [], points: { first: 0, items: [] }, phrases: { first: 0, items: [] } };
let drawn = structuredClone(clear);

// --- what the page says

const report = (key) => {
  const text = say(key);
  if (one(".state").textContent !== text) one(".state").textContent = text; // once, for who listens to it
};
const complain = (text) => (one(".trouble").textContent = text);

// --- devices

const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const FILM = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 15 }, facingMode: "user" };

// Both in one question; where that is refused each on its own, for one of them may be there and allowed.
const opened = async (audio, video) => {
  const devices = navigator.mediaDevices;
  if (!devices) throw new Error(say("live_no_devices"));
  const wanted = { ...(audio && { audio: SOUND }), ...(video && { video: FILM }) };
  try {
    return await devices.getUserMedia(wanted);
  } catch (error) {
    if (!audio || !video) throw new Error(devices.explain?.(error) ?? error.message);
    const parts = await Promise.allSettled([devices.getUserMedia({ audio: SOUND }), devices.getUserMedia({ video: FILM })]);
    const tracks = parts.flatMap(({ value }) => value?.getTracks() ?? []);
    if (!tracks.length) throw new Error(devices.explain?.(error) ?? error.message);
    const reason = devices.explain?.(parts.find((part) => part.reason).reason) ?? "";
    complain(say(parts[0].reason ? "live_without_microphone" : "live_without_camera", { reason }));
    return new MediaStream(tracks);
  }
};

// Hands on what the microphone gives in blocks of 2048 samples, and the rest when asked.
const TAP = `registerProcessor("live", class extends AudioWorkletProcessor {
  constructor() { super(); this.kept = []; this.port.onmessage = () => this.send(true); }
  process([[sound]]) { if (sound) this.kept.push(sound.slice()); if (this.kept.length > 15) this.send(false); return true; }
  send(last) { this.port.postMessage({ blocks: this.kept, last }); this.kept = []; }
});`;

const tapped = async (session, track) => {
  const context = new AudioContext();
  const url = URL.createObjectURL(new Blob([TAP], { type: "application/javascript" }));
  await context.audioWorklet.addModule(url);
  URL.revokeObjectURL(url);
  const node = new AudioWorkletNode(context, "live", { numberOfOutputs: 0 });
  session.flushed = new Promise((done) => {
    node.port.onmessage = ({ data }) => {
      session.begun ??= performance.now();
      session.waiting.push(...data.blocks);
      session.samples += data.blocks.reduce((sum, block) => sum + block.length, 0);
      if (data.last) done();
      else sendSound(session, false);
    };
  });
  Object.assign(session, { context, node, rate: context.sampleRate });
  context.createMediaStreamSource(new MediaStream([track])).connect(node);
  await context.resume();
};

// --- sending

const base64 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
  return btoa(text);
};

const told = async (session, message) => {
  const known = [drawn.columns, ...[drawn.points, drawn.phrases].map(({ first, items }) => first + items.length)];
  const answer = await server.exchange({ token: session.token, language: language(), known, ...message });
  if (answer?.trouble && live === session) fail(session, answer.trouble);
  return answer?.trouble ? null : answer;
};

// One packet at a time, in order, and again until it has arrived: numbered, so that none counts twice. It takes all that waits.
const sendSound = async (session, all) => {
  if (session.sending) return;
  session.sending = true;
  const count = (blocks) => blocks.reduce((sum, block) => sum + block.length, 0);
  while (!session.failed && count(session.waiting) >= (all ? 1 : PACKET_S * session.rate)) {
    const blocks = session.waiting.splice(0, MOST_BLOCKS);
    const pcm = new Int16Array(count(blocks));
    let at = 0;
    for (const block of blocks) for (const value of block) pcm[at++] = within(Math.round(value * 32767), -32767, 32767);
    const sound = { pcm: base64(new Uint8Array(pcm.buffer)), rate: session.rate, packet: session.packet++ };
    let answer = null;
    for (let attempt = 0; !answer && !session.failed; attempt++) {
      if (attempt) await pause(1000);
      answer = await told(session, { sound });
      if (!answer && attempt === ATTEMPTS) fail(session, say("live_lost"));
    }
    if (answer) show(session, answer);
  }
  session.sending = false;
};

// The next picture is taken when the last one was answered, so that none waits in line.
const sendPictures = async (session) => {
  const video = one("video");
  const canvas = document.createElement("canvas");
  let refused = 0;
  while (live === session && refused < ATTEMPTS) {
    const begun = performance.now();
    if (video.readyState >= 2 && (session.begun || !session.node)) {
      session.begun ??= begun;
      const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const time = (performance.now() - session.begun) / 1000;
      const jpeg = canvas.toDataURL("image/jpeg", QUALITY).split(",")[1];
      const answer = await told(session, { picture: { jpeg, time } });
      refused = answer ? 0 : refused + 1;
      if (answer) show(session, answer);
      else await pause(1000);
    }
    await pause(Math.max(PICTURE_MS - (performance.now() - begun), 10));
  }
  if (live === session && !session.node) fail(session, say("live_lost"));
};

// --- drawing

const context2d = (name, height) => {
  const canvas = part(name);
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
};
const ink = () => getComputedStyle(root).color;
const type = () => getComputedStyle(root).fontFamily;

// Adds what is new to a list, of which the last ``most`` are kept; answers may overlap, and one may come before an older one.
const grow = (kept, { first, items }, most) => {
  if (first > kept.first + kept.items.length) Object.assign(kept, { first, items: [] });
  kept.items.push(...items.slice(kept.first + kept.items.length - first));
  kept.first += kept.items.splice(0, kept.items.length - most).length;
};

const merge = (answer) => {
  const { first, low, high, bands } = answer.columns;
  const [lows, highs, levels] = [new Int8Array(unpacked(low).buffer), new Int8Array(unpacked(high).buffer), unpacked(bands)];
  for (let i = Math.max(0, drawn.columns - first); i < lows.length; i++) {
    drawn.wave.push([lows[i], highs[i]]);
    drawn.bands.push(levels.subarray(i * settings.bands, (i + 1) * settings.bands));
    drawn.columns = first + i + 1;
  }
  drawn.wave.splice(0, drawn.wave.length - settings.columns);
  drawn.bands.splice(0, drawn.bands.length - settings.columns);
  grow(drawn.points, answer.points, settings.points);
  grow(drawn.phrases, answer.phrases, settings.phrases);
};

const drawWave = () => {
  const [context, width, height] = context2d(".wave", 56);
  const step = width / settings.columns;
  const start = settings.columns - drawn.wave.length;
  const most = Math.max(12, ...drawn.wave.map(([low, high]) => Math.max(-low, high)));
  context.fillStyle = "#4f7cac";
  drawn.wave.forEach(([low, high], i) => {
    const top = height / 2 - (high / most) * (height / 2 - 1);
    const bottom = height / 2 - (low / most) * (height / 2 - 1);
    context.fillRect((start + i) * step, top, Math.max(step - 0.5, 1), Math.max(bottom - top, 1));
  });
};

// Dark blue to yellow, after the colours of the spectrogram in the answer.
const STOPS = [[0, 34, 78], [65, 77, 107], [124, 123, 120], [188, 175, 111], [254, 232, 56]];
const SHADES = Uint32Array.from({ length: 256 }, (_, level) => {
  const at = (level / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(at), STOPS.length - 2);
  const [red, green, blue] = STOPS[below].map((value, i) => Math.round(value + (STOPS[below + 1][i] - value) * (at - below)));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0; // as pixels lie in memory
});
const cells = document.createElement("canvas");
cells.width = settings.columns;
cells.height = settings.bands;
const drawSpectrum = () => {
  const [context, width, height] = context2d(".spectrum", 110);
  const image = cells.getContext("2d").createImageData(cells.width, cells.height);
  const pixels = new Uint32Array(image.data.buffer).fill(SHADES[0]);
  const start = settings.columns - drawn.bands.length;
  drawn.bands.forEach((levels, column) =>
    levels.forEach((level, band) => (pixels[(cells.height - 1 - band) * cells.width + start + column] = SHADES[level])),
  );
  cells.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(cells, 0, 0, width, height);
};

const EDGES = [1, ...MOOD_WORDS.slice(0, -1).map(([upper]) => upper), 5]; // of the moods' bands
const drawMoods = () => {
  const [context, width, height] = context2d(".moods", 120);
  const [left, right, top, bottom] = [18, width - 6, 6, height - 18];
  const points = drawn.points.items;
  const end = points.at(-1)?.[0] ?? 0;
  const x = (time) => right - ((end - time) / settings.minute) * (right - left);
  const y = (mood) => bottom - ((mood - 1) / 4) * (bottom - top);
  MOOD_COLOURS.forEach((colour, i) => {
    context.globalAlpha = 0.28;
    context.fillStyle = colour;
    context.fillRect(left, y(EDGES[i + 1]), right - left, y(EDGES[i]) - y(EDGES[i + 1]));
  });
  context.globalAlpha = 1;
  context.fillStyle = context.strokeStyle = ink();
  context.font = `13px ${type()}`;
  for (const mood of [1, 3, 5]) context.fillText(mood, 4, y(mood) + 4);
  for (const ago of [60, 40, 20, 0]) {
    const text = ago ? `-${ago} s` : say("live_now");
    const place = right - (ago / settings.minute) * (right - left);
    context.fillText(text, within(place - context.measureText(text).width / 2, left, right - context.measureText(text).width), height - 4);
  }
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  let joined = false;
  for (const [time, mood] of points.filter(([time]) => end - time <= settings.minute)) {
    if (mood !== null) joined ? context.lineTo(x(time), y(mood)) : context.moveTo(x(time), y(mood));
    joined = mood !== null;
  }
  context.stroke();
  const last = points.at(-1);
  if (last?.[1]) {
    context.beginPath();
    context.arc(x(last[0]), y(last[1]), 4, 0, 7);
    context.fill();
  }
};

// The video is shown as in a mirror, the writing on it is not.
const drawFace = (answer) => {
  const canvas = one(".overlay");
  const [context, width, height] = context2d(".overlay", canvas.clientHeight);
  if (!answer?.face) return;
  const { box, label, share } = answer.face;
  const [w, h] = [box[2] * width, box[3] * height];
  const [x, y] = [width - box[0] * width - w, box[1] * height];
  const text = `${labelName(label)} ${percent(share)}`;
  context.strokeStyle = context.fillStyle = COLOURS[label];
  context.lineWidth = 3;
  context.strokeRect(x, y, w, h);
  context.font = `bold 15px ${type()}`;
  const wide = context.measureText(text).width + 12;
  const left = within(x - 1.5, 0, width - wide);
  const top = y >= 24 ? y - 24 : Math.min(y + h, height - 24);
  context.fillRect(left, top, wide, 24);
  const [red, green, blue] = COLOURS[label].match(/\w\w/g).map((part) => parseInt(part, 16));
  context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#111827" : "#ffffff";
  context.fillText(text, left + 6, top + 17);
};

const drawReading = (answer) => {
  drawScore(part(".score"), answer.mood, 1);
  part(".sentence").textContent = answer.sentence;
  part(".detail").textContent = answer.detail;
  all(".bar", now).forEach((bar, i) => {
    const share = answer.bars?.[i] ?? 0;
    one("b", bar).style.width = `${100 * share}%`;
    one("output", bar).textContent = answer.bars ? percent(share) : "";
  });
};

// What is still being said stands last, and apart: it may change.
const drawSaid = (unfinished) => {
  const phrases = [...drawn.phrases.items, ...(unfinished ? [unfinished] : [])];
  if (!phrases.length) return;
  const said = part(".said");
  const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 30;
  const text = phrases.join(" · ");
  if (said.textContent !== text || (one("i", said)?.textContent ?? "") !== unfinished) {
    const open = Object.assign(document.createElement("i"), { textContent: unfinished });
    said.replaceChildren(text.slice(0, text.length - unfinished.length), open);
  }
  if (atEnd) said.scrollTop = said.scrollHeight;
};

const drawPace = (session, answer) => {
  const time = performance.now();
  if (answer.looked !== null && answer.looked !== session.looks.at(-1)?.[0]) session.looks.push([answer.looked, time]);
  session.looks = session.looks.filter(([, at]) => time - at < 4000);
  const parts = [];
  if (session.node && answer.voice) parts.push(say("live_pace_voice", { seconds: (session.samples / session.rate - answer.voice).toFixed(1) }));
  if (session.looks.length > 2) {
    const count = ((1000 * (session.looks.length - 1)) / (session.looks.at(-1)[1] - session.looks[0][1])).toFixed(0);
    parts.push(say("live_pace_pictures", { count }));
  }
  one(".pace").textContent = parts.join("; ");
};

const show = (session, answer) => {
  if (live !== session) return;
  const before = drawn.columns;
  merge(answer);
  if (drawn.columns !== before) {
    drawWave();
    drawSpectrum();
  }
  drawMoods();
  drawReading(answer);
  drawFace(answer);
  drawSaid(answer.unfinished);
  drawPace(session, answer);
  report("tab_live");
  root.dispatchEvent(new CustomEvent("answered", { detail: { ...answer, captured: session.samples / session.rate, at: performance.now(), begun: session.begun } }));
};

// --- start and stop

const button = one(".start");
const mode = (running) => {
  button.textContent = say(running ? "live_stop" : "live_start");
  button.classList.toggle("running", running);
  root.classList.toggle("on", running);
  all("input").forEach((box) => (box.disabled = running));
};

// A button that is disabled would lose the keyboard's focus.
const wait = (waiting) => button.setAttribute("aria-disabled", waiting);

const close = (session) => {
  session.stream?.getTracks().forEach((track) => track.stop());
  session.context?.close();
  one("video").srcObject = null;
  root.classList.remove("filming");
  drawFace(null);
  one(".pace").textContent = "";
  if (live === session) live = null;
  mode(false);
};

const fail = (session, text) => {
  session.failed = true;
  complain(text);
  report("live_stopped");
  close(session);
};

const start = async () => {
  const [audio, video] = [one(".microphone").checked, one(".camera").checked];
  if (!audio && !video) return complain(say("live_tick"));
  const session = { waiting: [], samples: 0, packet: 0, looks: [], begun: null };
  complain("");
  one(".again").hidden = true;
  report("live_starting");
  wait(true);
  try {
    session.stream = await opened(audio, video);
    const spoken = document.querySelector("#language input:checked")?.value ?? "en";
    const { token, trouble } = (await server.begin({ spoken, language: language() })) ?? { trouble: say("live_unreachable") };
    if (trouble) throw new Error(trouble);
    session.token = token;
    drawn = structuredClone(clear);
    live = session;
    const [sound] = session.stream.getAudioTracks();
    const [film] = session.stream.getVideoTracks();
    if (film) {
      one("video").srcObject = new MediaStream([film]);
      root.classList.add("filming");
      one("video").play().catch(() => {}); // closed again before it began
    }
    mode(true);
    window.emotion.begun(root);
    if (sound) await tapped(session, sound);
    if (film) sendPictures(session);
    session.stream.getTracks().forEach((track) => track.addEventListener("ended", () => live === session && stop(session)));
  } catch (error) {
    fail(session, error.message);
  }
  wait(false);
};

const stop = async (session) => {
  wait(true);
  report("live_analysing");
  if (session.node) {
    await pause(HELD_MS);
    session.node.port.postMessage("end");
    await Promise.race([session.flushed, pause(1000)]);
    while (session.sending) await pause(20);
    await sendSound(session, true);
  }
  if (!session.failed) {
    close(session);
    report("live_finished");
    finished = { token: session.token, tries: 0 };
    props.value = session.token;
    one(".again").hidden = false;
  }
  wait(false);
};

one("video").addEventListener("loadedmetadata", ({ target: film }) => {
  one(".picture").style.aspectRatio = `${film.videoWidth} / ${film.videoHeight}`;
});
button.addEventListener("click", () => {
  if (button.getAttribute("aria-disabled") !== "true") live ? stop(live) : start();
});
one(".again").addEventListener("click", () => (props.value = `${finished.token} ${++finished.tries}`));
[root, now].forEach(translate);
for (const draw of [drawWave, drawSpectrum, drawMoods]) draw();
new ResizeObserver(() => [drawWave, drawSpectrum, drawMoods].forEach((draw) => draw())).observe(now);
