/* The hash is the state: a view or the slug of a row, then the pickers, the search and the order. Theme, copying, download. */
(function () {
  const { $, all, el } = gp;
  const root = document.documentElement, views = all(".view"), lost = $("#lost");
  const KEYS = ["b", "d", "f", "v", "r", "o", "c", "q", "sort"];

  function state() {
    const [path, query = ""] = location.hash.slice(1).split("?");
    const given = new URLSearchParams(query);
    return { path: path || "rows", ...Object.fromEntries(KEYS.filter((k) => given.get(k)).map((k) => [k, given.get(k)])) };
  }
  const hash = (s) => "#" + s.path + (KEYS.some((k) => s[k]) ? "?" + KEYS.filter((k) => s[k]).map((k) => `${k}=${encodeURIComponent(s[k])}`).join("&") : "");
  function change(some) {
    const next = { ...state(), ...some };
    if (gp.rows.byId.has(next.path)) next.path = "rows";
    history.replaceState(null, "", hash(next));
    gp.rows.close();
    gp.rows.apply(next);
  }

  let opened = null;
  async function route() {
    const now = state(), view = document.getElementById(now.path);
    lost.hidden = true;
    gp.rows.apply(now);
    const isRow = gp.rows.byId.has(now.path);
    const tab = isRow ? $("#rows") : views.includes(view) ? view : now.path.startsWith("known-") ? $("#known") : now.path.startsWith("claim-") ? $("#claims") : now.path === "list" ? $("#rows") : null;
    if (!tab) {
      lost.textContent = `There is no “${decodeURIComponent(now.path)}” in this report: the link may be of another run. All kernels are below.`;
      lost.hidden = false;
    }
    for (const v of views) v.hidden = v !== (tab ?? $("#rows"));
    for (const a of all("nav a")) if (a.hash === "#" + (tab ?? $("#rows")).id) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    if (tab && tab.id !== "rows") {
      gp.unfold(tab);
      const target = document.getElementById(now.path);
      if (target?.matches("details")) target.open = true;
      if (target !== tab) target?.scrollIntoView();
      else window.scrollTo(0, 0);
    }
    if (isRow) {
      await gp.rows.open(now.path);
      if (opened !== now.path) document.getElementById(now.path).scrollIntoView({ block: "start" });
    } else gp.rows.close();
    opened = isRow ? now.path : null;
    document.title = (isRow ? now.path : $("#verdict").textContent) + " – gradproof";
  }

  async function copy(button) {
    const text = button.dataset.copy;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = el("textarea", { style: "position:fixed;opacity:0", "aria-label": "text to copy" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const was = button.textContent;
    button.textContent = "Copied";
    gp.say("Copied");
    setTimeout(() => (button.textContent = was === "Copied" ? "Copy" : was), 1500);
  }
  async function download() {
    const link = el("a", { download: "results.json", href: URL.createObjectURL(new Blob([await gp.bytes()], { type: "application/json" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function theme(choice) {
    root.dataset.theme = choice;
    try { localStorage.setItem("gradproof-theme", choice); } catch { /* a page from the file system may not store */ }
  }

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const link = at('a[href^="#"]');
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      const path = link.getAttribute("href").slice(1);
      if (path === "list") { $("tr.row:not([hidden]) th a")?.focus(); return; }
      /* A second click on an open row closes it; links within the page keep the pickers unless they set their own. */
      const next = path.includes("?") ? "#" + path : hash({ ...state(), path: path === state().path && gp.rows.byId.has(path) ? "rows" : path });
      if (next !== location.hash) location.hash = next; else route();
    } else if (at(".copy")) copy(at(".copy"));
    else if (at("#download")) download();
    else if (at("#theme")) theme(getComputedStyle(root).colorScheme === "dark" ? "light" : "dark");
    else if (at("tr.row") && !at("button") && !String(getSelection())) $("a", at("tr.row")).click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select")) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.key === "/") { event.preventDefault(); $("#q").focus(); }
    if (event.key === "Escape" && opened) { const was = opened; location.hash = hash({ ...state(), path: "rows" }); $("a", document.getElementById(was)).focus(); }
  });
  try { const kept = localStorage.getItem("gradproof-theme"); if (kept) root.dataset.theme = kept; } catch { /* as above */ }
  /* What is not wanted is hidden before any row is laid out. */
  gp.rows.apply(state());
  root.classList.add("ready");
  gp.rows.start(change);
  window.addEventListener("hashchange", route);
  route();
})();
