/* SPDX-License-Identifier: GPL-2.0-only */
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(head.firstChild);
    head.prepend(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const plain = (cell) => cell.textContent.trim().replace(/(?<=\d),(?=\d{3})/g, "");
      const key = (row) => row.cells[column].dataset.v ?? plain(row.cells[column]);
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const by = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return down ? -by : by;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(order));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
}
for (const input of document.querySelectorAll("[data-filter]")) {
  const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
for (const legend of document.querySelectorAll(".legend")) {
  const plots = legend.parentElement.querySelector(".plots");
  for (const button of legend.querySelectorAll("button")) {
    const all = [...plots.querySelectorAll(".series")].filter((g) => g.dataset.series === button.dataset.series);
    const focus = (on) => {
      plots.classList.toggle("focus", on);
      all.forEach((g) => g.classList.toggle("on", on));
    };
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", shown);
      all.forEach((g) => g.classList.toggle("off", !shown));
    });
    for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => focus(true));
    for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => focus(false));
  }
}
function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const closed = target && target.closest("details:not([open])");
  if (closed) { closed.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", reveal);
reveal();
