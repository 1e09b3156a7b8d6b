"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse($("#data").textContent);
  const root = document.documentElement;
  document.body.classList.toggle("many", data.models.length > 4);
  document.body.classList.toggle("small-images", data.smallImages);

  // Dark and light
  $("#theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("brittlestar-theme", root.dataset.theme); } catch { /* private mode */ }
  });

  // While a run goes on: reload, and keep the place, the folds that are open and what was typed into the filters
  const { written, refresh } = document.body.dataset, seconds = +refresh, kept = "brittlestar-place " + location.pathname;
  let alike = 0;  // reloads that brought nothing new: the run may have been killed
  try {
    const was = JSON.parse(sessionStorage.getItem(kept) ?? "null");
    if (was?.written === written) alike = was.alike + 1;
    sessionStorage.removeItem(kept);
    if (was) addEventListener("load", () => {
      $$("details").forEach((fold, i) => { fold.open ||= was.open.includes(i); });
      $$("input[type=search]").forEach((field, i) => { if (was.typed[i]) { field.value = was.typed[i]; field.dispatchEvent(new Event("input")); } });
      // From the section that was at the top: what stands above it may have grown.
      const first = document.getElementById(was.section);
      scrollTo({ top: was.top + (first ? first.getBoundingClientRect().top + scrollY : 0), behavior: "instant" });
    });
  } catch { /* private mode */ }
  if (seconds && alike >= 10) {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = `No longer reloading: nothing was written since ${written}. Reload by hand to look again.`;
    $("footer").prepend(note);
  } else if (seconds) setTimeout(() => {
    const open = $$("details").flatMap((fold, i) => (fold.open ? [i] : [])), typed = $$("input[type=search]").map((field) => field.value);
    const first = $$("main > section").findLast((section) => section.getBoundingClientRect().top < 100);
    const top = first ? -first.getBoundingClientRect().top : scrollY;
    try { sessionStorage.setItem(kept, JSON.stringify({ section: first?.id, top, open, typed, written, alike })); } catch { /* private mode */ }
    location.reload();
  }, 1000 * seconds);

  // One tip for cells, points and maps
  const tip = $("#tip");
  const showTip = (text, x, y, thumbs = []) => {
    tip.replaceChildren();
    text.split("\n").forEach((line, i) => {
      const part = document.createElement(i ? "div" : "b");
      part.textContent = line;
      tip.append(part);
    });
    if (thumbs.length) {
      const box = document.createElement("div");
      box.className = "thumbs";
      for (const [source, caption] of thumbs) {
        const item = document.createElement("div"), image = document.createElement("img");
        image.src = source; image.alt = "";
        item.append(image, caption);
        box.append(item);
      }
      tip.append(box);
    }
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - width - 10)) + "px";
    tip.style.top = (y + 18 + height > innerHeight ? Math.max(8, y - height - 14) : y + 18) + "px";
  };
  const hideTip = () => { tip.hidden = true; };
  const thumbsOf = (cell) => (cell.dataset.c && window.examplesOf ? window.examplesOf(cell) : []);
  const fromElement = (target) => {
    const box = target.getBoundingClientRect();
    showTip(target.dataset.tip, box.left + box.width / 2, box.bottom - 14, thumbsOf(target));
  };
  document.addEventListener("pointerover", (event) => {
    const target = event.target.closest?.("[data-tip]");
    if (target) showTip(target.dataset.tip, event.clientX, event.clientY, thumbsOf(target)); else if (!event.target.closest?.("svg.map")) hideTip();
  });
  document.addEventListener("focusin", (event) => { const t = event.target.closest?.("[data-tip]"); if (t) fromElement(t); });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) {
      const field = $(".tools input");
      if (field) { event.preventDefault(); field.focus(); }
    }
  });
  addEventListener("scroll", hideTip, { passive: true });

  // Tables that sort and filter: the best first, then the worst, then as they came
  const every = (text, words) => words.every((word) => text.includes(word));
  const wordsOf = (value) => value.toLowerCase().split(/\s+/).filter(Boolean);
  const nextWay = (button, first) => {
    const was = button.getAttribute("aria-sort"), other = first === "ascending" ? "descending" : "ascending";
    const way = !was ? first : was === first ? other : null;
    $$(".sort", button.closest("table")).forEach((b) => b.removeAttribute("aria-sort"));
    if (way) button.setAttribute("aria-sort", way);
    return way;
  };
  const ordered = (rows, way, valueOf) => [...rows].sort((a, b) => {
    if (!way) return a.dataset.order - b.dataset.order;
    const x = valueOf(a), y = valueOf(b);
    // What was not measured comes last, whichever way the column runs.
    if (x === null || y === null) return (x === null) - (y === null) || a.dataset.order - b.dataset.order;
    return (way === "descending" ? -1 : 1) * (typeof x === "string" ? x.localeCompare(y) : x - y) || a.dataset.order - b.dataset.order;
  });
  for (const table of $$("table.models")) {
    const rows = [...table.tBodies[0].rows], input = $(`[aria-controls="${table.id}"]`);
    rows.forEach((row, i) => { row.dataset.order = i; });
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest(".sort");
      if (!button) return;
      const column = button.closest("th").cellIndex;
      const way = nextWay(button, button.dataset.better === "higher" ? "descending" : "ascending");
      table.tBodies[0].append(...ordered(rows, way, (row) => {
        if (!column) return row.dataset.text.toLowerCase();
        const value = row.cells[column].dataset.v;
        return value === undefined ? null : +value;
      }));
    });
    input?.addEventListener("input", () => {
      const words = wordsOf(input.value);
      rows.forEach((row) => { row.hidden = !every(row.dataset.text.toLowerCase(), words); });
      $(".shown", input.closest(".tools")).textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} models` : "";
    });
  }

  // Heat tables: filter, sort, columns, arrow keys
  for (const table of $$("table.heat")) {
    const tools = $(`[data-for="${table.id}"]`), blocks = [...table.tBodies];
    const rowsOf = (body) => [...body.rows].filter((row) => row.dataset.text !== undefined), rows = blocks.flatMap(rowsOf);
    const input = $("input", tools), shown = $(".shown", tools), steps = +table.dataset.steps;
    rows.forEach((row, i) => { row.dataset.order = i; row.dataset.text = row.dataset.text.toLowerCase(); });
    const filter = () => {
      const words = wordsOf(input.value);
      let count = 0;
      for (const row of rows) {
        const keep = every(row.dataset.text, words);
        row.hidden = !keep;
        count += keep;
      }
      for (const body of blocks) body.hidden = rowsOf(body).every((row) => row.hidden);
      shown.textContent = words.length ? `${count} of ${rows.length} shifts` : "";
    };
    input.addEventListener("input", filter);
    const valueOf = (row, key) => {
      if (key === "name") return row.cells[0].textContent;
      const [group, step] = key.split(":").map(Number);
      const value = row.cells[1 + group * (steps + 1) + step]?.dataset.v;
      return value === undefined ? null : +value;
    };
    table.addEventListener("click", (event) => {
      const button = event.target.closest(".sort");
      if (!button) return;
      const key = button.dataset.sort, way = nextWay(button, key === "name" ? "ascending" : "descending");
      // The mean and the name sort every block; a severity's name means something in its own block only.
      const own = key === "name" || key.endsWith(":0") ? blocks : [button.closest("tbody")];
      for (const body of own) body.append(...ordered(rowsOf(body), way, (row) => valueOf(row, key)));
      setEntry();
    });
    const chips = $$("[data-group]", tools);
    const setGroup = (chip, on) => {
      chip.setAttribute("aria-pressed", on);
      $$(`.g${chip.dataset.group}`, table).forEach((cell) => cell.classList.toggle("off", !on));
    };
    chips.forEach((chip) => chip.addEventListener("click", () => {
      const on = chip.getAttribute("aria-pressed") !== "true";
      if (!on && chips.filter((c) => c.getAttribute("aria-pressed") === "true").length === 1) return;
      setGroup(chip, on);
      setEntry();
    }));
    if (chips.length) {
      // The widths of the style sheet: the shifts' names, a cell, a gap. The room was asked while the page was empty.
      const room = +document.body.dataset.room - 222, each = (steps + 1) * 38 + 22;
      const fits = Math.max(1, Math.floor(room / each));
      chips.forEach((chip, i) => setGroup(chip, i < fits));
    }
    const reachable = () => $$("tbody tr", table).filter((row) => !row.hidden)
      .map((row) => [...row.cells].filter((cell) => cell.dataset.v !== undefined && !cell.classList.contains("off")));
    const setEntry = () => {
      $$("td[tabindex='0']", table).forEach((cell) => { cell.tabIndex = -1; });
      const first = reachable().flat()[0];
      if (first) first.tabIndex = 0;
    };
    setEntry();
    input.addEventListener("input", setEntry);
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!cell || !step) return;
      event.preventDefault();
      const lines = reachable(), y = lines.findIndex((line) => line.includes(cell)), x = lines[y].indexOf(cell);
      const left = cell.getBoundingClientRect().left, line = lines[y + step[0]];
      const next = step[1] ? lines[y][x + step[1]] : line?.reduce((best, c) =>
        Math.abs(c.getBoundingClientRect().left - left) < Math.abs(best.getBoundingClientRect().left - left) ? c : best, line[0]);
      if (next) { next.focus(); next.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    });
  }

  // The key of models: press to hold one model up
  const light = (name) => {
    $$(".chart .lit").forEach((part) => part.classList.remove("lit"));
    if (name) {
      document.body.dataset.lit = name;
      const own = name.split(" ");
      $$(`.chart .${own[0]}`).filter((part) => own.every((c) => part.classList.contains(c))).forEach((part) => part.classList.add("lit"));
    } else delete document.body.dataset.lit;
    $$("[data-light]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.light === name));
  };
  $$("[data-light]").forEach((b) => b.addEventListener("click", () => light(document.body.dataset.lit === b.dataset.light ? "" : b.dataset.light)));

  // Scatter plots: the arrow keys walk through the marks
  for (const plot of $$("svg.scatter")) {
    const dots = $$("circle", plot), pick = (chosen) => dots.forEach((dot) => dot.classList.toggle("picked", dot === chosen));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !dots.length) return;
      event.preventDefault();
      const at = dots.findIndex((dot) => dot.classList.contains("picked"));
      const next = dots[at < 0 ? 0 : Math.max(0, Math.min(dots.length - 1, at + step))];
      pick(next);
      fromElement(next);
    });
    plot.addEventListener("blur", () => pick(null));
  }

  // Fourier maps: one pointer for all
  const maps = data.maps;
  if (maps) {
    const pictures = $$("svg.map"), across = maps.columns.length, down = maps.rows.length;
    const sign = (v) => (v < 0 ? "−" + -v : "" + v), tenth = (v) => (v / 10).toFixed(1);
    const point = (row, column, x, y) => {
      const at = row * across + column;
      const lines = maps.models.map((m) => m.v[at] === null ? `${m.name}: not measured`
        : `${m.name}: ${tenth(m.v[at])} % [${tenth(m.l[at])}, ${tenth(m.h[at])}], n = ${m.n.toLocaleString("en")}`);
      showTip([`Frequency ${sign(maps.columns[column])} across, ${sign(maps.rows[row])} down`, ...lines].join("\n"), x, y);
      for (const picture of pictures) {
        const image = $("image", picture), cell = +image.getAttribute("width") / across;
        for (const mark of $$(".cross", picture)) {
          mark.setAttribute("x", +image.getAttribute("x") + column * cell);
          mark.setAttribute("y", +image.getAttribute("y") + row * cell);
          mark.removeAttribute("display");
        }
        picture.dataset.row = row;
        picture.dataset.column = column;
      }
    };
    const leave = () => { hideTip(); $$(".cross").forEach((mark) => { mark.setAttribute("display", "none"); }); };
    const boxOf = (picture) => {
      const own = picture.getBoundingClientRect(), image = $("image", picture), unit = own.width / picture.viewBox.baseVal.width;
      const at = (name) => image.getAttribute(name) * unit;
      return { left: own.left + at("x"), top: own.top + at("y"), width: at("width"), height: at("height") };
    };
    for (const picture of pictures) {
      picture.addEventListener("pointermove", (event) => {
        const box = boxOf(picture);
        const column = Math.floor((event.clientX - box.left) / box.width * across), row = Math.floor((event.clientY - box.top) / box.height * down);
        if (row < 0 || column < 0 || row >= down || column >= across) leave(); else point(row, column, event.clientX, event.clientY);
      });
      picture.addEventListener("pointerleave", leave);
      picture.addEventListener("blur", leave);
      picture.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
        if (!step) return;
        event.preventDefault();
        const clip = (v, count) => Math.max(0, Math.min(count - 1, v));
        const row = clip(+(picture.dataset.row ?? Math.floor(down / 2)) + step[0], down);
        const column = clip(+(picture.dataset.column ?? Math.floor(across / 2)) + step[1], across);
        const box = boxOf(picture);
        point(row, column, box.left + (column + 1) / across * box.width, box.top + (row + 1) / down * box.height);
      });
    }
  }

  // Copy
  for (const button of $$(".copy")) button.addEventListener("click", async () => {
    const code = $("code", button.parentElement);
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Pages that are opened as files may have no clipboard: the command is at least selected.
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });

  // Where we are
  const links = new Map($$(".bar nav a").map((a) => [a.hash.slice(1), a]));
  // Only a tenth of the window counts, from 20 % of its height on: the section that is read, and no other.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && links.has(entry.target.id)) {
      links.forEach((a) => a.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  $$("main > section").forEach((section) => seen.observe(section));
})();
