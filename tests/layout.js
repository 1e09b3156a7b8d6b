// What stands where: texts over texts, marks over texts, and what is beyond the right edge of the page.
const root = document.querySelector("#first-screen"), found = [], texts = [];
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
for (let node; (node = walker.nextNode());) {
  const parent = node.parentElement;
  if (!node.data.trim() || parent.closest("title, desc, style, symbol") || !parent.checkVisibility()) continue;
  if (parent.closest("details:not([open]) > :not(summary)")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width < 1 || box.height < 1) continue;
    const inset = box.height * .18;  // letters are lower than their line
    texts.push({ node, l: box.left, r: box.right, t: box.top + inset, b: box.bottom - inset, s: node.data.trim().slice(0, 24) });
  }
}
const meet = (a, b) => Math.min(a.r, b.r) - Math.max(a.l, b.l) > 1 && Math.min(a.b, b.b) - Math.max(a.t, b.t) > 1;
texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => { if (a.node !== b.node && meet(a, b)) found.push(`${a.s} over ${b.s}`); }));
for (const mark of root.querySelectorAll("svg .mark, svg .ring")) {
  const box = mark.getBoundingClientRect(), own = { l: box.left, r: box.right, t: box.top, b: box.bottom };
  if (!box.width) continue;
  for (const text of texts) if (meet(own, text)) found.push(`a mark over ${text.s}`);
}
const edge = document.documentElement.clientWidth;
for (const text of texts) if (text.r > edge + 1) found.push(`${text.s} beyond the edge`);
for (const part of root.querySelectorAll("*")) {
  if (part.checkVisibility() && !part.closest("symbol, details:not([open])") && part.getBoundingClientRect().right > edge + 1) {
    found.push(`${part.tagName}.${part.className.baseVal ?? part.className} beyond the edge`);
  }
}
return { texts: texts.length, height: Math.round(root.getBoundingClientRect().height), width: innerWidth, found: [...new Set(found)].slice(0, 12) };
