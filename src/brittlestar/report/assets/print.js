"use strict";
// On paper a table of colours that is too wide goes on below itself: as many models as fit, the shifts' names again
(() => {
  // In the units of print.css: a page, the shifts' names, what a model has beside its cells; a cell with its sign and digits
  const width = 1130, names = 178, gap = 24, cellOf = (table) => (table.classList.contains("classes") ? 27 : 36);
  const parts = [];
  addEventListener("beforeprint", () => {
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
    document.querySelectorAll("table.whole").forEach((table) => table.classList.remove("whole"));
  });
})();
