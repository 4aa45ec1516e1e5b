/* The rows: pickers with counts, search, sort, one row for each kernel, opening. */
(function () {
  const { el, $, all } = gp;
  const PICKERS = { b: "p-b", d: "p-d", f: "p-f", v: "p-v", r: "p-r" };
  const WORDS = { crashed: "crashed", wrong: "wrong", undecided: "undecided", known: "known deviation", partly: "right so far", right: "right", unjudged: "not judged", safe: "safe", within: "safe within a range", no: "no", unknown: "not judged" };
  const body = $("#table tbody"), rows = all("tr.row", body);
  const facts = rows.map((row, i) => ({ row, i, more: row.nextElementSibling?.matches(".more") ? row.nextElementSibling : null, text: row.textContent.toLowerCase() + " " + row.dataset.f, ...row.dataset }));
  const byId = new Map(facts.map((f) => [f.row.id, f]));
  let now = {}, spread = new Set();

  const wants = (fact, key) => !now[key] || now[key].split(",").includes(fact[key] ?? "");
  const KEYS = ["b", "d", "f", "v", "r", "o", "c"];
  function fits(fact, but) {
    if (!now.v && but !== "v" && fact.v === "unjudged") return false;
    return KEYS.every((k) => k === but || wants(fact, k)) && (now.q ?? "").toLowerCase().split(/\s+/).every((w) => fact.text.includes(w));
  }
  function options() {
    for (const [key, id] of Object.entries(PICKERS)) {
      const counts = new Map();
      for (const fact of facts) { if (!counts.has(fact[key])) counts.set(fact[key], 0); if (fits(fact, key)) counts.set(fact[key], counts.get(fact[key]) + 1); }
      const select = $("#" + id), value = now[key] ?? "";
      const made = [...counts].map(([v, n]) => el("option", { value: v }, `${WORDS[v] ?? v} (${n})`));
      if (value.includes(",")) made.push(el("option", { value }, value.split(",").map((v) => WORDS[v] ?? v).join(" or ")));
      select.replaceChildren(el("option", { value: "" }, "all"), ...made);
      select.value = value;
    }
  }
  const size = (t) => (t === "–" || t === undefined ? -1 : t === "∞" ? Infinity : Number(t));
  const VERDICTS = ["crashed", "wrong", "undecided", "known", "partly", "right", "unjudged"], RANGES = ["safe", "within", "no", "unknown"];
  const cell = (f, n) => f.row.cells[n].textContent;
  const SORTS = [
    (a, b) => cell(a, 0).localeCompare(cell(b, 0)), (a, b) => cell(a, 1).localeCompare(cell(b, 1)), (a, b) => cell(a, 2).localeCompare(cell(b, 2)),
    (a, b) => VERDICTS.indexOf(a.v) - VERDICTS.indexOf(b.v), (a, b) => RANGES.indexOf(a.r) - RANGES.indexOf(b.r) || cell(a, 4).localeCompare(cell(b, 4)),
    (a, b) => size(b.w) - size(a.w), ...[6, 7, 8, 9].map((n) => (a, b) => cell(b, n).localeCompare(cell(a, n))),
  ];
  function order() {
    const [by, way] = (now.sort ?? "").split("-"), made = facts.slice();
    if (by) made.sort((a, b) => (SORTS[Number(by)](a, b) || a.i - b.i) * (way === "up" ? -1 : 1));
    all("#table thead th").forEach((th, n) => (String(n) === by ? th.setAttribute("aria-sort", way === "up" ? "descending" : "ascending") : th.removeAttribute("aria-sort")));
    return made;
  }
  /* Every property of a row, by order. */
  function properties(cells) {
    const by = new Map();
    for (const c of cells) by.set(c.property, [...(by.get(c.property) ?? []), c]);
    const said = (c) => el("td", null, c && [`${c.status}${c.status === "pass" && c.magnitude !== null ? ` ${Number(c.magnitude.toPrecision(3))}` : ""} `, el("small", null, c.evidence.n ? `${c.evidence.kind}, ${c.evidence.n.toLocaleString("en")}` : c.reason)]);
    const line = ([name, some]) => el("tr", null, el("th", { scope: "row" }, name), [0, 1, 2].map((n) => said(some.find((c) => c.order === n))));
    return el("details", null, el("summary", null, `All ${by.size} properties`), el("div.scroll", { tabindex: "0", role: "region", "aria-label": "Properties of this row" }, el("table.tally", null, el("thead", null, el("tr", null, ["Property", "f", "f′", "f″"].map((t) => el("th", { scope: "col" }, t)))), el("tbody", null, [...by].map(line)))));
  }
  let last = null;
  const refocus = [];

  gp.rows = {
    byId,
    apply(state) {
      now = state;
      const made = order();
      if (last !== (now.sort ?? "")) { body.append(...made.flatMap((f) => [f.row, f.more]).filter(Boolean)); last = now.sort ?? ""; }
      const first = new Map();
      let kernels = 0, shown = 0;
      for (const f of made) {
        const fit = fits(f), seen = first.get(f.g);
        if (fit) { shown++; if (seen) seen.rest++; else { first.set(f.g, { f, rest: 0 }); kernels++; } }
        f.row.hidden = !(fit && (!seen || spread.has(f.g)));
        if (f.row.hidden && f.more) f.more.classList.remove("open");
      }
      for (const f of facts) gp.$("button.rest", f.row)?.remove();
      for (const { f, rest } of first.values()) if (rest) f.row.cells[2].append(el("button.rest", { type: "button", tabindex: "-1", "data-group": f.g, "aria-label": `${rest} more rows of this kernel`, "aria-expanded": String(spread.has(f.g)) }, spread.has(f.g) ? "−" : `+${rest}`));
      options();
      const q = $("#q");
      if (q.value !== (now.q ?? "") && document.activeElement !== q) q.value = now.q ?? "";
      const silent = facts.filter((f) => f.v === "unjudged").length;
      $("#count").textContent = `${kernels} ${kernels === 1 ? "kernel" : "kernels"} in ${shown} of ${facts.length} rows` + (silent && !now.v ? `; ${silent} rows were not judged` : "") + (kernels < shown ? "; the gravest row of each is shown" : "");
      for (const b of all("[data-ask]")) b.setAttribute("aria-pressed", String(b.dataset.ask !== "" && b.dataset.ask.split("&").every((p) => { const [k, v] = p.split("="); return now[k] === v; })));
      /* An empty table says why, and what to do. */
      const hidden = now.v ? 0 : facts.filter((f) => f.v === "unjudged" && fits(f, "v")).length;
      const none = $("#none");
      none.hidden = shown > 0;
      $("span", none).textContent = hidden ? `${hidden === 1 ? "One row matches, which was" : `${hidden} rows match, which were`} not judged.` : "No row matches.";
      $("#clear").textContent = hidden ? "Show what was not judged" : "Clear the filters";
      $("#clear").dataset.to = hidden ? "unjudged" : "";
      refocus.forEach((f) => f());
    },
    /* Opens the row of a slug; false where there is none. */
    async open(slug) {
      const fact = byId.get(slug);
      if (!fact) return false;
      for (const other of all("tr.more.open", body)) if (other !== fact.more) other.classList.remove("open");
      for (const a of all('a[aria-expanded="true"]', body)) a.setAttribute("aria-expanded", "false");
      fact.row.hidden = false;
      $("a", fact.row).setAttribute("aria-expanded", "true");
      if (!fact.more) { gp.say("Nothing of it was judged"); return true; }
      fact.more.classList.add("open");
      if (gp.unfold(fact.more)) {
        for (const c of all(".command", fact.more)) {
          const text = $("code", c).textContent;
          /* Broken between words only: a hyphen is part of an option. */
          $("code", c).replaceChildren(...text.split(" ").flatMap((word, i) => [i ? " " : "", el("span", null, word)]));
          const button = (words, data) => el("button.copy", { type: "button", "data-copy": data }, words);
          c.append(button("Copy", text), ...(text.includes(" --bits ") ? [button("Copy as a script’s command", `${text} --script`)] : []));
        }
        const box = el("div.plots", null, el("p", null, "Reading the results …")), picture = gp.$(".spark", fact.more);
        (picture ?? gp.$(".where", fact.more)).after(box);
        try {
          const results = await gp.results(), { rows: known, formats } = gp.index(), mine = known[slug];
          if (gp.plots(box, mine.cells.map((i) => results.cells[i]), mine.kinks, formats)) picture?.remove();
          else if (picture) box.remove();
          else box.replaceChildren(el("p.few", null, "There is no plot: no values of accuracy were judged here."));
          gp.$(".tallied", fact.more).after(properties(mine.cells.map((i) => results.cells[i])));
        } catch (fault) { box.replaceChildren(el("p", null, `The plots cannot be drawn: ${fault.message}`)); }
      }
      return true;
    },
    close() { for (const other of all("tr.more.open", body)) other.classList.remove("open"); for (const a of all('a[aria-expanded="true"]', body)) a.setAttribute("aria-expanded", "false"); },
    start(change) {
      all("#table thead th").forEach((th, n) => th.replaceChildren(el("button.sort", { type: "button", title: th.title, "data-sort": n }, th.textContent)));
      for (const f of facts) $("a", f.row).setAttribute("aria-expanded", "false");
      refocus.push(gp.roving(() => all("button.sort"), "ArrowLeft", "ArrowRight"), gp.roving(() => all("tr.row th a", body), "ArrowUp", "ArrowDown"), gp.roving(() => all("[data-ask]"), "ArrowLeft", "ArrowRight"));
      for (const [key, id] of Object.entries(PICKERS)) $("#" + id).addEventListener("change", (e) => change({ [key]: e.target.value }));
      $("#q").addEventListener("input", (e) => change({ q: e.target.value }));
      const toggle = (g) => { if (spread.has(g)) spread.delete(g); else spread.add(g); gp.rows.apply(now); };
      document.addEventListener("click", (e) => {
        const at = (s) => e.target.closest(s);
        if (at("[data-sort]")) { const n = at("[data-sort]").dataset.sort; change({ sort: now.sort === `${n}-down` ? `${n}-up` : now.sort === `${n}-up` ? "" : `${n}-down` }); }
        else if (at("#clear")) { change(at("#clear").dataset.to ? { v: at("#clear").dataset.to } : Object.fromEntries([...KEYS, "q"].map((k) => [k, ""]))); $("#q").focus(); }
        else if (at("[data-group]")) toggle(at("[data-group]").dataset.group);
        else if (at("[data-ask]")) { const asked = Object.fromEntries(new URLSearchParams(at("[data-ask]").dataset.ask)); change(at("[data-ask]").dataset.ask ? { v: "", r: "", o: "", c: "", ...asked } : Object.fromEntries([...KEYS, "q"].map((k) => [k, ""]))); }
      });
      body.addEventListener("keydown", (e) => { const row = e.target.closest("tr.row"); if (row && (e.key === "ArrowRight" || e.key === "ArrowLeft") && e.target.matches("th a") && spread.has(row.dataset.g) === (e.key === "ArrowLeft")) { toggle(row.dataset.g); e.target.focus(); } });
    },
  };
})();
