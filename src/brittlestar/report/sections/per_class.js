"use strict";
// Recall by class: tips made when they are asked for, and the list of all classes where these are many
(() => {
  const table = document.getElementById("per-class-table");
  if (!table) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const steps = +table.dataset.steps + 1;
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
  const heads = [...table.tHead.rows[1].cells].map((cell) => cell.querySelector("button")?.dataset.tip ?? "");
  const tell = (event) => {
    const cell = event.target.closest?.("#per-class-table td[data-r]");
    if (!cell || cell.dataset.tip) return;
    const [limits, images, alarms] = cell.dataset.r.split("|"), row = cell.parentElement, place = cell.cellIndex - 1;
    const group = Math.floor(place / steps), shift = row.cells[0].firstChild.textContent.trim();
    cell.dataset.tip = `${shift}, ${heads[place]}\n${names[group]}: ${(100 * cell.dataset.v).toFixed(1)} % ${limits} found\n`
      + `${alarms} of the other images get this answer\nn = ${Number(images).toLocaleString("en")}`;
    if (row.dataset.c !== "clean") { cell.dataset.c = row.dataset.c; cell.dataset.m = table.dataset.keys.split(" ")[group]; }
  };
  // While the event goes down: on its way up the page's own script looks for the tip that is made here.
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, tell, { capture: true });

  const text = (value) => (value === null ? "–" : value);
  for (const box of document.querySelectorAll("details.class-list")) {
    const rows = data.perClass?.[box.dataset.m] ?? [], place = box.querySelector(".scroller");
    const input = box.querySelector("input"), shown = box.querySelector(".shown");
    const draw = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const kept = rows.filter((row) => words.every((word) => row[0].toLowerCase().includes(word)));
      const made = document.createElement("table");
      made.className = "plain";
      const head = made.createTHead().insertRow();
      ["Class", "images", "clean (%)", "shifts, mean (%)", "lowest family (%)"].forEach((name, i) => {
        const cell = document.createElement("th");
        cell.scope = "col";
        cell.textContent = name;
        if (i) cell.className = "n";
        head.append(cell);
      });
      const body = made.createTBody();
      for (const row of kept) {
        const line = body.insertRow();
        [row[0], row[1], text(row[2]), text(row[3]), `${row[4]} ${text(row[5])}`].forEach((value, i) => {
          const cell = line.insertCell();
          cell.textContent = value;
          if (i) cell.className = "n";
        });
      }
      place.replaceChildren(made);
      shown.textContent = words.length ? `${kept.length} of ${rows.length} classes` : "";
    };
    box.addEventListener("toggle", () => { if (box.open && !place.firstChild) draw(); });
    if (box.open) draw();
    input.addEventListener("input", draw);
  }
})();
