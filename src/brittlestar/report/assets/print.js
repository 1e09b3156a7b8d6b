"use strict";
// On paper a table of colours that is too wide goes on below itself: as many models as fit, the shifts' names again
(() => {
  // In the units of print.css: a page, the shifts' names, what a model has beside its cells; a cell with its sign and digits
  const width = 1130, names = 178, gap = 24, cellOf = (table) => (table.classList.contains("classes") ? 27 : 36);
  const parts = [];

  // What is worth paper: of a list with data-paper="N" the N items of the largest data-w (of each data-g), and a line on the rest
  const choose = (list) => {
    const groups = Object.groupBy(list.querySelectorAll("[data-w]"), (item) => item.dataset.g ?? "");
    const rest = Object.values(groups).flatMap((items) => items.sort((a, b) => b.dataset.w - a.dataset.w).slice(+list.dataset.paper));
    if (!rest.length) return;
    rest.forEach((item) => item.classList.add("unprinted"));
    const line = document.createElement("p");
    line.className = "note left-out";
    line.textContent = `Printed: ${list.dataset.of}; ${rest.length} more on the page.`;
    (list.closest(".scroller") ?? list).after(line);
    parts.push(line);
  };

  addEventListener("beforeprint", () => {
    document.querySelectorAll("[data-paper]").forEach(choose);
    for (const table of document.querySelectorAll("table.heat:not(.whole)")) {
      const groups = table.querySelectorAll("thead .group").length;
      const each = (+table.dataset.steps + 1) * cellOf(table) + gap;
      const fit = Math.max(1, Math.floor((width - names) / each));
      if (groups <= fit) continue;
      const step = Math.ceil(groups / Math.ceil(groups / fit));
      for (let start = 0; start < groups; start += step) {
        const part = table.cloneNode(true);
        part.removeAttribute("id");
        for (let g = 0; g < groups; g++) {
          if (g < start || g >= start + step) part.querySelectorAll(`.g${g}`).forEach((other) => other.remove());
        }
        table.before(part);
        parts.push(part);
      }
      table.classList.add("whole");
    }
  });
  addEventListener("afterprint", () => {
    parts.splice(0).forEach((part) => part.remove());
    document.querySelectorAll(".unprinted").forEach((item) => item.classList.remove("unprinted"));
    document.querySelectorAll("table.whole").forEach((table) => table.classList.remove("whole"));
  });
})();
