/* What a sweep found on every bit pattern: maxima, classes with their intervals, envelope, signed histogram. */
(function (gp) {
  const { el } = gp;
  const SHOWN = 12;
  const NAMES = { u: "u, in ulp", m: "m, mixed", abs: "absolute", above: "above the exact value, in ulp", below: "below the exact value, in ulp" };
  const EMPTY = 254;

  const count = (n) => n.toLocaleString("en");
  const short = (n) => String(Number(Number(n.decimal.replace("inf", "Infinity")).toPrecision(7))).replace("Infinity", "∞");
  const r = (text) => ({ text, r: true });

  function maxima(found) {
    const rows = Object.entries(found.maxima).map(([name, best]) => el("tr", null, el("th", { scope: "row" }, NAMES[name]),
      el("td.r", null, gp.figure(best.value)), el("td", null, best.input.decimal), el("td", null, best.input.bits), el("td", null, best.got.decimal)));
    return rows.length ? gp.table("tally", ["Largest error", r("value"), "at x", "bits", "got"], rows) : null;
  }

  function stretch(i, fails) {
    const share = i.patterns === 1 ? "" : i.count === i.patterns ? `(${count(i.count)} inputs) ` : `(${count(i.count)} of ${count(i.patterns)} inputs) `;
    const verb = fails ? "fails on" : "on";
    const bits = i.lo.bits === i.hi.bits ? i.lo.bits : `${i.lo.bits}…${i.hi.bits}`;
    const ends = i.lo.bits === i.hi.bits ? short(i.lo) : `[${short(i.lo)}, ${short(i.hi)}]`;
    return el("span", null, `${verb} ${ends} ${share}`, el("code", null, bits));
  }

  /* Those that matter most first, as results/formatting.py has it. */
  function gravest(intervals, worst) {
    const number = (n) => Number(n.decimal.replace("inf", "Infinity"));
    const at = worst ? number(worst) : NaN;
    const away = (i) => !(number(i.lo) <= at && at <= number(i.hi));
    const rare = (i) => !((number(i.lo) <= 32 && number(i.hi) >= 2 ** -8) || (number(i.lo) <= -(2 ** -8) && number(i.hi) >= -32));
    return intervals.slice().sort((a, b) => away(a) - away(b) || rare(a) - rare(b) || b.count - a.count).slice(0, SHOWN);
  }

  function classes(found, words, worst) {
    const rows = Object.entries(found.classes).map(([name, table]) => {
      const some = gravest(table.intervals, worst).map((i) => stretch(i, words.failing.includes(name)));
      const rest = table.intervals.length - some.length;
      const apart = [table.infinite && `${count(table.infinite)} at the infinities`, table.nan && `${count(table.nan)} at NaNs`].filter(Boolean).join(", ");
      return el("tr", null, el("th", { scope: "row" }, name), el("td.r", null, count(table.count)),
        el("td.facts", null, el("span", null, (words.classes[name] ?? "") + (apart ? `; ${apart}` : "")), some,
          rest > 0 && el("span", null, `and on ${count(rest)} more intervals`),
          table.merged > 0 && el("span", null, `${count(table.merged)} gaps between intervals are closed`)));
    });
    return rows.length ? gp.table("tally", ["Class", r("inputs"), "where"], rows) : el("p.note", null, "Every input is within the contract.");
  }

  /* Errors below and above the exact value, by doublings. */
  function histogram(found) {
    const octaves = new Map();
    for (const side of ["below", "above"]) {
      const h = found.histograms[side];
      if (!h) continue;
      h.counts.forEach((n, i) => {
        const e = h.least + Math.floor(i / h.steps);
        if (!octaves.has(e)) octaves.set(e, { below: 0, above: 0 });
        octaves.get(e)[side] += n;
      });
    }
    const keys = [...octaves.keys()].sort((a, b) => a - b).filter((e) => octaves.get(e).below || octaves.get(e).above);
    if (!keys.length) return null;
    /* What is far below a rounding is one row: nobody asks how small a small error is. */
    const least = -6, rows = new Map();
    for (const e of keys) {
      const at = Math.max(e, least), held = rows.get(at) ?? { below: 0, above: 0 };
      rows.set(at, { below: held.below + octaves.get(e).below, above: held.above + octaves.get(e).above });
    }
    const top = Math.max(...[...rows.values()].flatMap((v) => [v.below, v.above]));
    const bar = (n) => el("td", null, el("span.fill", { style: `width:${(100 * Math.sqrt(n / top)).toFixed(1)}%`, hidden: !n, title: count(n) }));
    const label = (e) => (e === least ? `< ${gp.figure(2 ** (least + 1))}` : `${gp.figure(2 ** e)} – ${gp.figure(2 ** (e + 1))}`);
    const lines = [...rows].map(([e, v]) => el("tr", null, el("th", { scope: "row" }, label(e)), bar(v.below), el("td", null, count(v.below)), bar(v.above), el("td", null, count(v.above))));
    return el("table.hist.signed", null, el("thead", null, el("tr", null, ["u, in ulp", "below the exact value", "", "above it", ""].map((t) => el("th", { scope: "col" }, t)))), el("tbody", null, lines));
  }

  function series(found, axis) {
    return Object.entries(found.envelope).map(([name, text]) => {
      const bins = gp.levels({ bins: text });
      const first = bins.findIndex((b) => b !== EMPTY), last = bins.findLastIndex((b) => b !== EMPTY);
      const domain = found.range.whole || first < 0 ? null : [first, last + 1];
      return { name: NAMES[name], unit: name === "u" ? " ulp" : "", compiled: name !== "u", bins, grid: axis, domain };
    });
  }

  /* Panels of one cell, and a promise of their pictures. */
  gp.sweepPanels = function (data, index) {
    const words = data.sweeps, told = words.cells[index];
    if (!told) return { parts: [], draw: async () => {} };
    const cell = data.results.cells[index], found = cell.measured, effort = found[words.timed] ?? {};
    const chart = el("div.curve", { role: "img", "aria-label": "Envelope of the errors over all bit patterns" });
    const spent = [effort.seconds && `${gp.figure(effort.seconds)} s of work`, effort.patterns_per_second && `${count(effort.patterns_per_second)} inputs per second`,
      effort.workers !== null && effort.workers !== undefined && `${effort.workers} workers`, ...(effort.processors ?? [])].filter(Boolean).join("; ");
    const quantiles = Object.entries(found.quantiles).map(([q, v]) => `${100 * q} %: ${gp.figure(v)}`).join(", ");
    const parts = [
      el("section.panel", null, el("h2", null, told.title), el("p", null, told.statement),
        el("p.facts", null, el("span", null, told.range[0].toUpperCase() + told.range.slice(1)), el("span", null, `Quantiles of u, in ulp: ${quantiles}`),
          el("span", null, found.exactness[0].toUpperCase() + found.exactness.slice(1) + "."), spent && el("span", null, spent)),
        maxima(found)),
      el("section.panel", null, el("h2", null, "Classes of inputs"), classes(found, words, cell.certificate?.input)),
      el("section.panel", null, el("h2", null, "Envelope over every bit pattern"), chart),
      el("section.panel", null, el("h2", null, "Inputs by signed error"), histogram(found)),
    ];
    const draw = () => gp.drawSeries(chart, series(found, words.axes[cell.format]), "ordinal", NAMES.u);
    return { parts, draw };
  };
})(window.gradproof);
