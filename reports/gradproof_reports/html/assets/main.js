/* The hash is the state: a cell's slug or a section, then ?q=, s= and axis=. Filters, theme, copying, download. */
(function (gp) {
  const root = document.documentElement;
  const overview = document.getElementById("overview"), cellPage = document.getElementById("cell");
  const filter = document.getElementById("filter"), chips = [...document.querySelectorAll(".chip")];
  let scroll = 0;

  function state() {
    const [path, query = ""] = location.hash.slice(1).split("?");
    const p = new URLSearchParams(query);
    return { path, q: p.get("q") || "", s: (p.get("s") || "").split(",").filter(Boolean), axis: p.get("axis") || "ordinal" };
  }

  function hash({ path, q, s, axis }) {
    const parts = [];
    if (q) parts.push("q=" + encodeURIComponent(q));
    if (s.length) parts.push("s=" + s.join(","));
    if (axis !== "ordinal") parts.push("axis=" + axis);
    return "#" + path + (parts.length ? "?" + parts.join("&") : "");
  }

  let filtered = false;
  function applyFilter({ q, s }) {
    if (!filtered && !q && !s.length) return;
    filtered = true;
    if (filter.value !== q && document.activeElement !== filter) filter.value = q;
    chips.forEach((c) => c.setAttribute("aria-pressed", String(s.includes(c.dataset.status))));
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = (text) => words.every((w) => text.toLowerCase().includes(w));
    const wanted = (text) => !s.length || s.some((x) => text.split(" ").includes(x));
    let rows = 0;
    for (const body of document.querySelectorAll(".matrix tbody")) {
      /* A word that names no function may name a column: those cells stay, the others fade. */
      const name = body.dataset.f.toLowerCase();
      const rest = words.filter((w) => !name.includes(w));
      const columns = rest.length ? columnsWith(rest) : null;
      let any = false;
      for (const cell of body.querySelectorAll("td")) {
        const fits = (!columns || columns.has(columnOf(cell))) && (!cell.dataset.s ? !s.length : wanted(cell.dataset.s));
        cell.classList.toggle("dim", !fits);
        any ||= fits && cell.dataset.s !== undefined;
      }
      body.hidden = !any || (columns !== null && columns.size === 0);
      rows += body.hidden ? 0 : 1;
    }
    for (const item of document.querySelectorAll("[data-q]")) item.hidden = !(hits(item.dataset.q) && wanted(item.dataset.s));
    for (const box of document.querySelectorAll(".card, .group, .known-group")) {
      const items = box.querySelectorAll("[data-q]");
      box.hidden = items.length > 0 && [...items].every((i) => i.hidden);
    }
    if (q || s.length) gp.say(`${rows} functions shown`);
  }

  const labels = (() => {
    const spread = (row) => [...row.cells].filter((c) => c.rowSpan === 1 || !c.textContent).flatMap((c) => Array(c.colSpan).fill(c.textContent));
    const heads = document.querySelector(".matrix thead");
    if (!heads) return [];
    const [places, modes, formats] = [...heads.rows].map((r) => spread({ cells: [...r.cells].filter((c) => !c.hasAttribute("rowspan")) }));
    const long = { f64: "float64", f32: "float32", f16: "float16", bf16: "bfloat16" };
    return formats.map((f, i) => `${places[i]} ${modes[i]} ${f} ${long[f] || ""}`.toLowerCase());
  })();
  const columnsWith = (words) => new Set(labels.map((text, i) => (words.every((w) => text.includes(w)) ? i : -1)).filter((i) => i >= 0));
  const columnOf = (cell) => cell.cellIndex - [...cell.parentElement.cells].filter((c) => c.tagName === "TH").length;

  let shown = null;
  async function route() {
    const now = state();
    applyFilter(now);
    const section = now.path && document.getElementById(now.path);
    if (now.path.includes("/")) {
      if (shown === null) scroll = window.scrollY;
      const first = shown !== now.path;
      overview.hidden = true;
      cellPage.hidden = false;
      if (await gp.showCell(now.path, now.axis)) {
        shown = now.path;
        if (first) { window.scrollTo(0, 0); cellPage.focus({ preventScroll: true }); }
        return;
      }
      gp.say("There is no such cell in this report");
    }
    const back = shown !== null;
    shown = null;
    gp.redraw = null;
    cellPage.hidden = true;
    overview.hidden = false;
    document.title = document.querySelector("h1").textContent + " – gradproof";
    if (back && ["", "matrix"].includes(now.path)) window.scrollTo(0, scroll);
    else if (section && !now.path.includes("/")) section.scrollIntoView();
  }

  function set(change) {
    history.replaceState(null, "", hash({ ...state(), ...change }));
    return state();
  }

  async function copy(button) {
    const text = button.dataset.copy ?? button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = gp.el("textarea", { style: "position:fixed;opacity:0" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    gp.say("Copied");
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  async function download() {
    const data = await gp.data();
    const link = gp.el("a", { download: "results.json", href: URL.createObjectURL(new Blob([JSON.stringify(data.results) + "\n"], { type: "application/json" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function theme(choice) {
    root.dataset.theme = choice;
    try { localStorage.setItem("gradproof-theme", choice); } catch { /* a file of its own origin may not store */ }
    if (gp.redraw) gp.redraw();
  }

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const link = at('a[href^="#"]');
    if (link && !link.hash.includes("?") && !event.ctrlKey && !event.metaKey && !event.shiftKey && location.hash.includes("?")) {
      /* Links within the page keep the filter and the axis, unless they set a filter of their own. */
      event.preventDefault();
      location.hash = hash({ ...state(), path: link.getAttribute("href").slice(1) });
      return;
    }
    if (at(".copy")) copy(at(".copy"));
    else if (at("#download")) download();
    else if (at("#theme")) theme(getComputedStyle(root).colorScheme === "dark" ? "light" : "dark");
    else if (at("[data-axis]")) { set({ axis: at("[data-axis]").dataset.axis }); route(); }
    else if (at(".chip")) {
      const { s } = state(), status = at(".chip").dataset.status;
      applyFilter(set({ s: s.includes(status) ? s.filter((x) => x !== status) : [...s, status] }));
    }
  });
  filter.addEventListener("input", () => {
    if (shown !== null) location.hash = hash({ ...state(), path: "matrix", q: filter.value });
    else applyFilter(set({ q: filter.value }));
  });
  /* Arrow keys move within the matrix; Escape leaves a cell's page; / goes to the filter. */
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.key === "/") { event.preventDefault(); filter.focus(); }
    if (event.key === "Escape" && shown !== null) location.hash = "#matrix";
    const cell = event.target.closest(".matrix td");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!cell || !step) return;
    const rows = [...document.querySelectorAll(".matrix tbody:not([hidden]) tr")];
    let r = rows.indexOf(cell.parentElement), c = columnOf(cell), next;
    do {
      r += step[0]; c += step[1];
      if (!rows[r] || c < 0 || c >= labels.length) return;
      next = [...rows[r].querySelectorAll("td")][c].querySelector("a");
    } while (!next);
    event.preventDefault();
    enter(next);
    next.focus();
  });
  /* One stop for the Tab key in the whole matrix; the arrows do the rest. */
  const cells = [...document.querySelectorAll(".matrix td a")];
  let stop = null;
  function enter(link) {
    if (stop) stop.tabIndex = -1;
    stop = link;
    link.tabIndex = 0;
  }
  cells.forEach((link) => (link.tabIndex = -1));
  if (cells.length) enter(cells[0]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => gp.redraw && gp.redraw());
  window.addEventListener("hashchange", route);

  try { const kept = localStorage.getItem("gradproof-theme"); if (kept) root.dataset.theme = kept; } catch { /* as above */ }
  root.classList.add("js");
  route();
})(window.gradproof);
