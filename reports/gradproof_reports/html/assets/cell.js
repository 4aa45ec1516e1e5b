/* The page of one cell, drawn when its hash is opened. */
(function (gp) {
  const { el } = gp;
  const PRIMES = ["", "′", "″"];
  const EDGES = ["[0, ½]", "(½, 1]", "(1, 2]", "(2, 4]", "(4, 8]", "(8, 16]", "(16, 32]", "(32, 64]", "(64, 128]", "(128, 256]", "(256, 512]", "(512, 1024]", "(1024, 2048]", "(2048, 4096]", "> 4096"];

  const place = (c) => `${c.backend}:${c.device}` + (c.mode === "eager" ? "" : ` ${c.mode}`);

  /* Links to the pages that differ from this one in one respect. */
  function switches(data, page, cell) {
    const mine = { place: page.series, format: cell.format, order: cell.order };
    const siblings = data.pages.filter((p) => p.title === page.title);
    const facts = (p) => { const c = data.results.cells[p.cells[0]]; return { place: p.series, format: c.format, order: c.order }; };
    const row = (name, key, text) => {
      const others = siblings.filter((p) => { const f = facts(p); return Object.keys(mine).every((k) => k === key || f[k] === mine[k]); });
      if (others.length < 2) return null;
      return el("div", null, el("span", null, name), others.map((p) => el("a", { href: "#" + p.slug, "aria-current": p === page ? "page" : null }, text(facts(p)))));
    };
    return el("nav.switches", { "aria-label": "Neighbouring cells" },
      row("order", "order", (f) => "f" + PRIMES[f.order]), row("format", "format", (f) => f.format), row("on", "place", (f) => f.place));
  }

  function numbers(c) {
    const rows = [];
    const add = (name, n) => n && rows.push(el("tr", null, el("th", { scope: "row" }, name), el("td", null, n.decimal), el("td", null, n.hex), el("td", null, n.bits)));
    add("x", c.input); add("got", c.got); add("expected", c.expected);
    if (c.simplest && c.input && c.simplest.bits !== c.input.bits) add("simplest x", c.simplest);
    for (const n of c.neighbours) { add("neighbour x", n.input); rows.at(-1)?.classList.add("next"); add("→ got", n.got); add("→ expected", n.expected); }
    return rows.length ? gp.table("num", ["", "decimal", "hex", "bits"], rows) : null;
  }

  function certificate(data, cell) {
    const c = cell.certificate;
    const facts = [];
    if (c.enclosure) facts.push(`exact value in [${c.enclosure.lower}, ${c.enclosure.upper}], ${c.enclosure.certified} at ${c.enclosure.precision} bits`);
    if (c.input && c.expected) facts.push(`u = ${gp.figure(c.u, "∞")}, m = ${gp.figure(c.m, "∞")}, absolute ${gp.figure(c.abs_error, "∞")}`);
    for (const r of c.region) facts.push(`fails on [${r.lo.decimal}, ${r.hi.decimal}]: ${r.failing} of ${r.tried} ${r.exhaustive ? "(every pattern)" : "tried"}`);
    const known = cell.known_ref ? data.results.deviations[cell.known_ref] : null;
    return el("section.panel", null,
      el("h2", null, `${cell.property}: ${c.cause.replaceAll("-", " ")}`),
      el("div.cert", { style: "padding:0" },
        c.explanation && el("p", null, c.explanation),
        known && el("p", null, `Known: ${known.title ?? cell.known_ref}. ${known.reason ?? ""}`),
        numbers(c),
        el("p.facts", null, facts.map((f) => el("span", null, f))),
        c.reproduce && el("p.command", null, el("code", null, c.reproduce), gp.copyButton(c.reproduce))));
  }

  function properties(data, page) {
    const rows = page.cells.map((i) => {
      const c = data.results.cells[i], word = data.words[data.states[i]];
      const { excused, ...others } = c.measured;
      const measured = data.sweeps.cells[i] ? [c.reason.includes("every pattern") ? "" : data.sweeps.cells[i].range] : Object.entries(others).map(([k, v]) => `${k} ${gp.plain(v)}`);
      if (c.excused) measured.push(`${c.excused} points excused by flush to zero` + (excused ? `, error / bound up to ${gp.figure(excused.magnitude, "∞")} there` : ""));
      const worst = c.status === "fail" || c.status === "known" ? gp.figure(c.magnitude, "∞") : gp.figure(c.magnitude);
      return el("tr", null,
        el("th", { scope: "row" }, c.property),
        el("td", null, el("span.t.s-" + data.states[i], null, el("i", { "aria-hidden": "true" }, word.glyph), word.label), c.felt && el("span.felt", null, "felt")),
        el("td.r", null, worst), el("td.r", null, gp.figure(c.u_max)), el("td.r", null, gp.figure(c.m_max)),
        el("td", null, c.evidence.n ? `${c.evidence.kind}, ${c.evidence.n.toLocaleString("en")}` : "none"),
        el("td", null, [c.reason, ...measured].filter(Boolean).join("; ")));
    });
    const r = (text) => ({ text, r: true });
    return el("section.panel.flush", null, el("h2", null, "Properties"),
      gp.table("tally", ["Property", "Verdict", r("error / bound"), r("u max"), r("m max"), "Evidence", "Found"], rows));
  }

  function histogram(series, page) {
    const own = series.find((s) => s.slug === page.slug);
    if (!own) return null;
    const counts = own.curve.histogram, total = counts.reduce((a, b) => a + b, 0) || 1;
    const last = counts.findLastIndex((n) => n > 0);
    const rows = counts.slice(0, Math.max(4, last + 1)).map((n, i) => {
      const label = i === counts.length - 1 ? "more, NaN" : EDGES[i];
      /* Square root: a few wrong inputs among 65,536 must stay visible; the count says the truth. */
      return el("tr", null, el("th", { scope: "row" }, label), el("td", null, el("span.fill", { style: `width:${(100 * Math.sqrt(n / total)).toFixed(1)}%`, hidden: !n })), el("td", null, n.toLocaleString("en")));
    });
    return el("section.panel", null, el("h2", null, `Inputs by error in ulp, ${own.name}`), el("table.hist", null, el("tbody", null, rows)));
  }

  function quantiles(series) {
    if (!series.length) return null;
    const rows = series.map((s) => el("tr", null, el("th", { scope: "row" }, el("a", { href: "#" + s.slug }, s.name)), s.curve.quantiles.map((q) => el("td.r", null, gp.figure(q, "∞")))));
    const r = (text) => ({ text, r: true });
    return el("section.panel.flush", null, el("h2", null, "Quantiles of u, in ulp"), gp.table("tally", ["", r("50 %"), r("90 %"), r("99 %"), r("worst")], rows));
  }

  gp.showCell = async function (slug, axis) {
    const main = document.getElementById("cell");
    let data;
    try { data = await gp.data(); } catch (fault) { main.replaceChildren(el("p.note", null, String(fault.message || fault))); return true; }
    const page = data.bySlug.get(slug);
    if (!page) return false;
    const cell = data.results.cells[page.cells[0]];
    const family = data.families.get(page.family);
    const series = gp.series(data, family);
    const title = `${page.title}${PRIMES[cell.order]}`;
    const chart = el("div.curve", { role: "img", "aria-label": `Error curves of ${title} in ${cell.format}` });
    const choose = (name, text) => el("button", { type: "button", "data-axis": name, "aria-pressed": String(axis === name) }, text);
    document.title = `${title} ${place(cell)} ${cell.format} – gradproof`;
    const certificates = page.cells.map((i) => data.results.cells[i]).filter((c) => c.certificate);
    const sweeps = page.cells.map((i) => gp.sweepPanels(data, i));
    const parts = [
      el("p.crumbs", null, el("a", { href: "#matrix" }, "← All cells")),
      el("h1", null, title),
      el("p.sub", null, `${page.series}${page.origin ? ` (${page.origin})` : ""}, ${cell.format}, order ${cell.order}; ${cell.implementation}; contract ${cell.contract}`),
      switches(data, page, cell),
      series.length > 0 && el("section.panel", null,
        el("div.head", null, el("h2", null, "Error over the whole line"), el("div.seg", { role: "group", "aria-label": "Horizontal axis" }, choose("ordinal", "floats"), choose("log", "log |x|"))),
        chart, el("p.note", { style: "margin:.4rem 0 0;font-size:.8125rem" }, "Worst input of each bin. Drag to pan, Shift and wheel to zoom.")),
      properties(data, page),
      ...sweeps.flatMap((s) => s.parts),
      ...certificates.map((c) => certificate(data, c)),
      series.length > 0 && el("div.two", null, histogram(series, page), quantiles(series)),
    ];
    main.replaceChildren(...parts.filter(Boolean));
    const draw = async (way) => {
      const failed = (fault) => chart.replaceChildren(el("p.note", null, `The curves cannot be drawn: ${fault.message || fault}`));
      await gp.drawCurves(chart, data, family, way, page.series).catch(failed);
      for (const s of sweeps) await s.draw().catch(failed);
    };
    gp.redraw = () => draw(axis);
    await draw(axis);
    return true;
  };
})(window.gradproof);
