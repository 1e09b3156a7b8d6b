"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const keys = data.keys;
  const buttons = [...document.querySelectorAll("[data-answer]")];
  const canvas = $("picture"), pen = canvas.getContext("2d");
  const panels = ["start", "show", "pause", "end"];
  const rows = [];
  let subject = "", session = 1, waiting = null, goOn = null, disturbed = false, slow = 0;

  const only = (id) => panels.forEach((name) => { $(name).hidden = name !== id; });
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  // Whole frames: what is drawn at one is seen until the one at which something else is drawn.
  async function lasting(ms) {
    const began = await frame();
    let now = began;
    while (now - began < ms - 8) now = await frame();
    return now - began;
  }
  async function decoded(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  }
  function draw(image) {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.classList.add("on");
  }

  // An order of their own for every person and session, the same again if the page is loaded again.
  function shuffled(list, text) {
    let state = 2166136261;
    for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619) >>> 0;
    const next = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  function answered() {
    return new Promise((done) => {
      const began = performance.now();
      waiting = (place) => { waiting = null; done({ place, seconds: (performance.now() - began) / 1000 }); };
      if (data.limit > 0) setTimeout(() => { if (waiting) waiting(-1); }, data.limit * 1000);
    });
  }

  async function once(address, number) {
    const [image, mask] = [await decoded(address), await decoded(data.masks[number % data.masks.length])];
    disturbed = document.hidden;
    $("cross").classList.add("on");
    await lasting(data.fixation);
    $("cross").classList.remove("on");
    draw(image);
    const shown = await lasting(data.duration);
    draw(mask);
    await lasting(data.mask);
    canvas.classList.remove("on");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    $("answers").classList.add("on");
    const answer = await answered();
    $("answers").classList.remove("on");
    if (!disturbed && shown > data.duration + 50) slow += 1;
    return answer;
  }

  async function paused(headline, text, label) {
    $("headline").textContent = headline;
    $("text").textContent = text;
    $("go").textContent = label;
    only("pause");
    $("go").focus();
    await new Promise((done) => { goOn = done; });
    goOn = null;
    only("show");
  }

  async function practise() {
    for (let i = 0; i < data.practice.length; i++) {
      const { picture, label } = data.practice[i];
      $("progress").textContent = `Practice ${i + 1} of ${data.practice.length}`;
      const answer = await once(picture, i);
      const right = answer.place === label;
      $("answers").classList.add("on");
      buttons[label].classList.add("right");
      if (!right && answer.place >= 0) buttons[answer.place].classList.add("wrong");
      $("told").textContent = right ? "Right." : `It was: ${data.classes[label]}.`;
      await lasting(data.feedback);
      buttons.forEach((button) => button.classList.remove("right", "wrong"));
      $("answers").classList.remove("on");
      $("told").textContent = "";
    }
  }

  function kept(stimulus, trial, answer) {
    const category = data.classes[stimulus.label];
    const pad = (value, width) => String(value).padStart(width, "0");
    const image = `${pad(trial, 4)}_${data.short}_${subject}_${stimulus.condition}_${category}_00_${pad(stimulus.number, 5)}.png`;
    const response = answer.place < 0 ? "na" : data.classes[answer.place];
    const seconds = answer.place < 0 ? "na" : answer.seconds.toFixed(4);
    rows.push([subject, session, trial, seconds, response, category, stimulus.condition, image]);
  }

  function csv() {
    const cell = (value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return [data.columns, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  }

  async function run() {
    only("show");
    await practise();
    await paused("Now in earnest", `${data.stimuli.length} pictures follow. Nobody tells you what is right.`, "Begin");
    const queue = shuffled(data.stimuli, `${data.short} ${subject} ${session}`);
    const again = new Set();
    let since = 0;
    for (let i = 0; i < queue.length; i++) {
      $("progress").textContent = `${i + 1} of ${queue.length}`;
      const answer = await once(queue[i].picture, i);
      // Whoever looked away while it was shown sees it again at the end, once.
      if (disturbed && !again.has(queue[i].number)) {
        again.add(queue[i].number);
        queue.push(queue[i]);
      } else {
        kept(queue[i], rows.length + 1, answer);
      }
      since += 1;
      if (since >= data.block && i + 1 < queue.length) {
        since = 0;
        await paused("A pause", `${i + 1} of ${queue.length} are done. Rest your eyes for as long as you like.`, "Go on");
      }
    }
    finish();
  }

  function finish() {
    const text = csv();
    $("csv").value = text;
    $("save").href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    $("save").download = `people-${data.short}-${subject}-${session}.csv`;
    $("quality").textContent = slow
      ? `${slow} of ${rows.length} pictures stood longer than they should: this computer was busy.`
      : `All ${rows.length} pictures are answered.`;
    only("end");
    $("save").focus();
  }

  $("who").addEventListener("submit", (event) => {
    event.preventDefault();
    subject = $("subject").value;
    session = Number($("session").value);
    run();
  });
  $("go").addEventListener("click", () => goOn && goOn());
  buttons.forEach((button) => button.addEventListener("click", () => waiting && waiting(Number(button.dataset.answer))));
  document.addEventListener("keydown", (event) => {
    if (!waiting || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const place = keys.indexOf(event.key.toLowerCase());
    if (place >= 0 && place < data.classes.length) {
      event.preventDefault();
      waiting(place);
    }
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden && !waiting) disturbed = true; });
  let saved = false;
  $("save").addEventListener("click", () => { saved = true; });
  window.addEventListener("beforeunload", (event) => { if (rows.length && !saved) event.preventDefault(); });
})();
