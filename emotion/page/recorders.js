// Runs before the page, after shared.js.

// What the recorders of Gradio leave to chance is settled here: sound as it is, and all of it.
(() => {
  const { pause, say } = window.emotion;
  const devices = navigator.mediaDevices;
  if (!devices || !window.MediaRecorder || devices.raw) return;
  devices.raw = true;

  // The raw microphone: gain control, noise suppression and echo cancellation flatten the loudness and pitch that the voice model reads.
  const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wanted = {}) => {
    const audio = wanted.audio && { ...(wanted.audio === true ? {} : wanted.audio), ...RAW };
    return open(audio ? { ...wanted, audio } : wanted).then(forget, tell);
  };

  // Gradio says nothing where the browser refuses a device.
  const REASONS = { NotAllowedError: "device_refused", NotFoundError: "device_missing", NotReadableError: "device_busy" };
  const show = (text) => document.querySelectorAll(".device-trouble").forEach((place) => (place.textContent = text));
  const forget = (stream) => (show(""), stream);
  devices.explain = ({ name, message }) => say(REASONS[name] ?? "device_other", { message });
  const tell = (error) => {
    show(devices.explain(error));
    throw error;
  };

  // A film that a browser has just recorded does not say how long it is: seeking beyond its end finds out.
  document.addEventListener(
    "loadedmetadata",
    ({ target: film }) => {
      if (film.tagName !== "VIDEO" || film.duration !== Infinity || film.srcObject) return;
      film.addEventListener("durationchange", () => (film.currentTime = 0), { once: true });
      film.currentTime = 1e9;
    },
    true,
  );

  // A click on Stop is held back for as long as sound may still be on its way from the microphone; it would be cut off. Gradio's video
  // recorder also takes, in the moment of the click, only what the browser has handed over by then, which is seconds short: so a
  // film is paused, its encoder catches up (it would drop what it has not done by the end), it is ended, and the click goes on.
  const HELD_MS = 120;
  const QUIET_MS = 600; // without a new part: the encoder has caught up
  const LONGEST_MS = 5000;
  const STOP = ".recorder button.stop-button, .recorder button[aria-label='start recording']";
  const running = new Set();
  const { start, stop } = MediaRecorder.prototype;
  MediaRecorder.prototype.start = function (...slice) {
    running.add(this);
    this.addEventListener("stop", () => running.delete(this));
    return start.apply(this, slice);
  };
  MediaRecorder.prototype.stop = function () {
    if (this.state !== "inactive") stop.call(this);
  };
  const ended = async (recorder) => {
    recorder.pause();
    let heard = performance.now();
    recorder.addEventListener("dataavailable", ({ data }) => data.size && (heard = performance.now()));
    while (performance.now() - heard < QUIET_MS) await pause(50);
    const stopped = new Promise((done) => recorder.addEventListener("stop", done, { once: true }));
    recorder.stop();
    return stopped;
  };

  let holding = false;
  let passing = false;
  const hold = async (button) => {
    holding = true;
    await pause(HELD_MS);
    const films = [...running].filter((recorder) => recorder.stream.getVideoTracks().length);
    await Promise.race([Promise.all(films.map(ended)), pause(LONGEST_MS)]);
    passing = true;
    button.click();
    holding = passing = false;
  };
  window.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest(STOP);
      if (!button || !running.size || passing) return;
      event.stopImmediatePropagation();
      event.preventDefault();
      if (!holding) hold(button);
    },
    true,
  );
})();
