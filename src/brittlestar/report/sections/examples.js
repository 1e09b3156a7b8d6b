"use strict";
// Failing examples: a gallery drawn from data, enlarged on request, reached from every cell that names a model and a condition
(() => {
  const page = JSON.parse(document.getElementById("data").textContent), data = page.examples, gallery = document.querySelector(".gallery");
  if (!data || !gallery) return;
  const $ = (selector) => document.querySelector(selector), zoom = $("#zoom");
  const nameOf = Object.fromEntries(data.keys.map((key, i) => [key, page.models[i]]));
  const percent = (share) => (share > 0.999 ? "> 99.9 %" : (100 * share).toFixed(1) + " %"), whole = (n) => n.toLocaleString("en");
  const all = data.list.map(([m, c, label, answer, sure, before, beforeSure, file, clean, shifted, change, gain]) => {
    const [condition, mark, title] = data.conditions[c];
    return { m, c, condition, mark, title, label, answer, sure, before, beforeSure, file, gain, pictures: [clean, shifted, change],
      text: [title, label, answer, file, nameOf[m]].join(" ").toLowerCase() };
  });
  const make = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const image = (place, text) => {
    const made = make("img");
    made.alt = text;
    made.src = data.pictures[place];
    return made;
  };

  // The difference of two pictures around middle grey, as large as fits
  const difference = (first, second, told) => {
    const made = make("canvas"), shown = make("img");
    shown.alt = "difference of the two";
    // At once where both are there, so that it is there too when the page is printed.
    const draw = () => {
      if (!(first.complete && second.complete && first.naturalWidth && second.naturalWidth)) return;
      const [a, b] = [first, second].map((one) => {
        made.width = one.naturalWidth;
        made.height = one.naturalHeight;
        const pen = made.getContext("2d", { willReadFrequently: true });
        pen.drawImage(one, 0, 0);
        return pen.getImageData(0, 0, made.width, made.height);
      });
      if (a.data.length !== b.data.length) return;
      let most = 0;
      for (let i = 0; i < a.data.length; i++) if (i % 4 < 3) most = Math.max(most, Math.abs(b.data[i] - a.data[i]));
      const gain = [16, 8, 4, 2, 1].find((g) => most * g <= 255) ?? 1;
      // Changes lie in -255 to 255: halved around the middle they fit a byte. Every fourth byte is opacity.
      for (let i = 0; i < a.data.length; i++) a.data[i] = i % 4 < 3 ? 127.5 + (b.data[i] - a.data[i]) * gain / 2 : 255;
      made.getContext("2d").putImageData(a, 0, 0);
      shown.src = made.toDataURL();
      told(most ? gain : 1);
    };
    for (const one of [first, second]) one.addEventListener("load", draw, { once: true });
    draw();
    return shown;
  };
  const pictures = (one) => {
    const change = (gain) => (gain === 1 ? "change" : `change × ${gain}`);
    const first = image(one.pictures[0], `clean image of class ${one.label}`);
    const second = image(one.pictures[1], `the same image under ${one.title}`);
    const caption = make("small", change(one.gain));
    const third = one.pictures[2] < 0 ? difference(first, second, (gain) => { caption.textContent = change(gain); })
      : image(one.pictures[2], "difference of the two");
    return [[first, make("small", "clean")], [second, make("small", "shifted")], [third, caption]].map((parts) => {
      const box = make("span", undefined, "picture");
      box.append(...parts);
      return box;
    });
  };
  const words = (one) => {
    const model = make("span", undefined, one.m), answer = make("span"), counts = data.counts[one.m]?.[one.c];
    model.append(make("i", undefined, "swatch"), nameOf[one.m]);
    answer.append(`${one.label} `, make("i", "→", "arrow"), " ", make("em", one.answer), ` (${percent(one.sure)})`);
    return [make("b", one.title), model, answer, make("small", `clean: ${one.before} (${percent(one.beforeSure)})`),
      make("small", one.file, "file"), ...(counts ? [make("small", failing(counts))] : [])];
  };
  const failing = ([failed, right]) => `${whole(failed)} of ${whole(right)} images right when clean fail here`;

  // The gallery
  let kept = all, limit = 12, only = null;
  const pick = $("[data-pick]"), input = $("#gallery-filter"), more = $("#gallery-more"), shown = $(".gallery-tools .shown"), note = $("#example-note");
  const item = (one, place) => {
    const li = make("li"), button = make("button", undefined, "triple"), text = make("p");
    button.type = "button";
    button.setAttribute("aria-label", `Enlarge: ${one.label} taken for ${one.answer} under ${one.title}`);
    button.append(...pictures(one));
    button.addEventListener("click", () => enlarge(place));
    text.append(...words(one));
    li.append(button, text);
    li.dataset.c = one.condition;
    li.dataset.m = one.m;
    return li;
  };
  const apply = () => {
    const asked = input.value.toLowerCase().split(/\s+/).filter(Boolean), model = pick?.value ?? "";
    kept = all.filter((one) => (only ? one.m === only.m && one.mark === only.mark
      : (!model || one.m === model) && asked.every((word) => one.text.includes(word))));
    gallery.replaceChildren(...kept.slice(0, limit).map(item));
    more.hidden = kept.length <= limit && !only;
    more.textContent = only ? `Show all ${all.length}` : `Show all ${kept.length}`;
    shown.textContent = kept.length || only ? "" : "No example fits";
    note.hidden = !only;
  };
  const reset = () => { only = null; apply(); };
  input.addEventListener("input", reset);
  pick?.addEventListener("change", reset);
  more.addEventListener("click", () => {
    if (only) { limit = 12; input.value = ""; if (pick) pick.value = ""; } else limit = Infinity;
    reset();
  });

  // One model under one condition, whether it has examples or not
  const told = (place, m, here) => {
    const counts = data.counts[m]?.[place], title = data.conditions[place][2], head = `${nameOf[m]} under ${title}: `;
    if (!counts) return head + "not asked, or not on clean images.";
    if (!counts[0]) return `${head}no example, as none of ${whole(counts[1])} images right when clean fails.`;
    const rest = here.length ? "" : counts[2] ? `; ${counts[2]} examples lie in the run’s folder, this page has no room for them`
      : "; the run stored no example";
    return `${head}${failing(counts)}${rest}.`;
  };
  const visit = () => {
    const found = /^#example-(m\d+)-([0-9a-f]{8})$/.exec(location.hash);
    const place = found ? data.conditions.findIndex((one) => one[1] === found[2]) : -1;
    if (place < 0 || !(found[1] in nameOf)) return;
    only = { m: found[1], mark: found[2] };
    if (pick) pick.value = found[1];
    apply();
    note.textContent = told(place, found[1], kept);
    $("#examples").scrollIntoView();
    // The keyboard goes along; the page has been scrolled already.
    note.focus({ preventScroll: true });
  };
  addEventListener("hashchange", visit);
  const go = (event) => {
    // A link that was followed before changes no hash, and its anchor is no element.
    const link = event.type === "click" && event.target.closest?.("a[href^='#example-']");
    if (link && link.hash === location.hash) visit();
    const cell = event.target.closest?.("[data-c][data-m]:not(li)"), one = cell && data.conditions.find((c) => c[0] === cell.dataset.c);
    if (!one) return;
    const hash = `#example-${cell.dataset.m}-${one[1]}`;
    if (location.hash === hash) visit(); else location.hash = hash;
  };
  document.addEventListener("click", go);
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") go(event); });
  window.examplesOf = (cell) => all.filter((one) => one.condition === cell.dataset.c && one.m === cell.dataset.m).slice(0, 3)
    .map((one) => [data.pictures[one.pictures[1]], one.answer]);

  // Enlarged
  let at = 0;
  const enlarge = (place) => {
    at = (place + kept.length) % kept.length;
    const one = kept[at], box = zoom.querySelector(".pictures"), parts = pictures(one);
    box.classList.toggle("pixels", page.smallImages);
    box.replaceChildren(...parts);
    zoom.querySelector(".words").replaceChildren(...words(one));
    if (!zoom.open) zoom.showModal();
    zoom.scrollTop = 0;
  };
  zoom.addEventListener("click", (event) => {
    const step = event.target.dataset?.step;
    if (event.target === zoom || step === "0") zoom.close(); else if (step) enlarge(at + +step);
  });
  zoom.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); enlarge(at + step); }
  });

  // On paper the first dozen, whatever was looked for
  addEventListener("beforeprint", () => {
    if (only || limit !== 12 || kept.length !== all.length) { only = null; limit = 12; input.value = ""; if (pick) pick.value = ""; apply(); }
    note.hidden = all.length <= limit;
    note.textContent = `The first ${limit} of ${all.length} examples; the others are on the page.`;
  });
  addEventListener("afterprint", () => { note.hidden = true; });
  apply();
  visit();
})();
