/* Three plots over one x of an opened row: f, f', f'' computed over exact; the error; the difference to the own function. */
(function () {
  const { el, svg } = gp;
  const PRIMES = ["f", "f′", "f″"];
  const LEFT = 62, RIGHT = 12, H = [190, 140, 110];
  const WIDE = 720, NARROW = 380, FEW = 24;
  let W = WIDE;

  /* A bit pattern as a number, by the format's description. */
  function number(bits, f) {
    const mantissa = BigInt(f.mantissa), exponents = BigInt(f.width) - 1n - mantissa, all = (1n << exponents) - 1n;
    const sign = bits >> BigInt(f.width - 1) ? -1 : 1, e = (bits >> mantissa) & all, m = bits & ((1n << mantissa) - 1n);
    if (f.infinities && e === all) return m ? NaN : sign * Infinity;
    if (!f.infinities && e === all && m === (1n << mantissa) - 1n) return NaN;
    const bias = Number(all >> 1n), fraction = Number(m) / 2 ** f.mantissa;
    return e ? sign * (1 + fraction) * 2 ** (Number(e) - bias) : sign * fraction * 2 ** (1 - bias);
  }
  /* The shortest decimal that no other number of the format is nearer to. */
  function decimal(x, f) {
    if (!Number.isFinite(x)) return String(x).replace("Infinity", "inf").toLowerCase();
    if (Object.is(x, -0)) return "-0.0";
    const digits = f.width === 64 ? 17 : Math.ceil(1 + (f.mantissa + 1) * Math.LOG10E * Math.LN2);
    const text = f.width === 64 ? String(x) : String(Number(x.toPrecision(digits)));
    return /[.e]/.test(text) ? text : text + ".0";
  }
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  function patterns(text, width) {
    const data = bytes(text), size = width / 8, found = [];
    for (let i = 0; i + size <= data.length; i += size) {
      let bits = 0n;
      for (let k = size - 1; k >= 0; k--) bits = (bits << 8n) | BigInt(data[i + k]);
      found.push(bits);
    }
    return found;
  }
  /* The float that lies so many floats above another, counted from zero on either side; beside a NaN its bits are given. */
  function above(bits, steps, f) {
    if (steps === "?") return null;
    if (steps.startsWith("0x")) return BigInt(steps);
    const sign = 1n << BigInt(f.width - 1), ordinal = (bits & sign ? -(bits ^ sign) : bits) + BigInt(steps);
    return steps === "0" ? bits : ordinal < 0n ? -ordinal | sign : ordinal;
  }
  const hex = (bits, f) => "0x" + bits.toString(16).padStart(f.width / 4, "0");

  function graph(cell, formats) {
    const g = cell?.curve?.graph, f = formats[cell?.format];
    if (!g || !f) return null;
    const datum = (bits) => bits !== null && { bits, value: number(bits, f) };
    const read = (text) => patterns(text, f.width).map(datum);
    const got = read(g.got), beside = (text) => text.split(" ").map((n, i) => datum(above(got[i].bits, n, f)));
    const due = beside(g.due), own = g.own ? beside(g.own) : null;
    const levels = bytes(g.errors);
    const points = read(g.inputs).map((x, i) => ({ x, got: got[i], due: due[i] || NONE, own: own ? own[i] || NONE : undefined, error: levels[i] === 255 ? Infinity : (2 ** (levels[i] / 4) - 1) / 256 }));
    const fails = (cell.clusters ?? []).flatMap((c) => c.regions).map((r) => r.map((b) => number(BigInt(b), f)));
    return { order: cell.order, points, fails, own: own !== null, cell, f };
  }

  /* Scales: asinh(x / k) is straight near 0 and logarithmic further out. */
  const scale = (from, to, low, high, k = 1) => {
    const at = (v) => Math.asinh(Math.max(-1.7e308, Math.min(1.7e308, v)) / k), a = at(from), b = at(to);
    return (v) => low + ((at(v) - a) / (b - a || 1)) * (high - low);
  };
  function ticks(from, to, place, room) {
    const wanted = [0, 1, -1, 0.5, -0.5, 2, -2, 4, -4, 8, -8, 16, -16, 32, -32, 64, -64, 100, -100, 750, -750, 0.1, -0.1, 0.01, -0.01];
    for (const e of [3, 4, 5, 8, 12, 18, 25, 38, 100, 200, 308, -3, -4, -6, -8, -12, -20, -30, -38, -44, -100, -200, -308]) wanted.push(10 ** e, -(10 ** e));
    const kept = [];
    for (const v of wanted) if (v >= from && v <= to && kept.every((w) => Math.abs(place(w) - place(v)) > room)) kept.push(v);
    return kept;
  }
  const short = (v) => (v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-2 ? v.toExponential(v.toExponential(0) === v.toExponential() ? 0 : 1).replace("+", "") : String(Number(v.toPrecision(3)))).replace("-", "−");

  const NONE = { value: NaN };
  const VIEWS = { fails: "Where it fails", ordinary: "Ordinary inputs", all: "The whole line" };
  function range(view, g) {
    const xs = g.points.map((p) => p.x.value), all = [Math.min(...xs), Math.max(...xs), 1];
    if (view === "all") return all;
    const ordinary = [Math.max(-12, all[0]), Math.min(12, all[1]), 1];
    if (view === "ordinary") return ordinary;
    const bad = [...g.points.filter((p) => p.error > 1).map((p) => p.x.value), ...g.fails.flat().filter(Number.isFinite)];
    if (!bad.length) return ordinary;
    /* With the inputs on either side: one value alone says nothing. */
    const first = Math.min(...bad), end = Math.max(...bad);
    const far = (v) => 7 * Math.max(1, Math.abs(v));
    const low = Math.max(xs.findLast((v) => v < first) ?? first, first - far(first)), high = Math.min(xs.find((v) => v > end) ?? end, end + far(end));
    const size = Math.max(Math.abs(low), Math.abs(high));
    const k = size < 2 ** -6 ? size / 8 : 1, pad = (Math.asinh(high / k) - Math.asinh(low / k)) * 0.15 + 0.3;
    const move = (v, by) => k * Math.sinh(Math.max(-709, Math.min(709, Math.asinh(v / k) + by)));
    return [Math.max(all[0], move(low, -pad)), Math.min(all[1], move(high, pad)), k];
  }

  gp.plots = function (box, cells, kinks, formats) {
    const graphs = cells.filter((c) => c.property === "accuracy").map((c) => graph(c, formats)).filter((g) => g && g.points.length > 1);
    if (!graphs.length) return false;
    const failing = graphs.find((g) => g.points.some((p) => p.error > 1));
    const state = { order: (failing ?? graphs[0]).order, view: failing ? "fails" : "ordinary", at: -1 };
    const chart = el("div.chart", { tabindex: "0", role: "application", "aria-label": "Plots over x; the arrow keys move the readout" });
    const readout = el("div.readout"), note = el("p.few");
    const seg = (label, names, key) => el("div.seg", { role: "group", "aria-label": label }, names.map(([v, t]) => el("button", { type: "button", "data-key": key, "data-value": v }, t)));
    box.replaceChildren(
      el("div.head", null, seg("Order of the derivative", graphs.map((g) => [g.order, PRIMES[g.order]]), "order"), seg("Range of x", Object.entries(VIEWS).filter(([v]) => v !== "fails" || failing), "view")),
      chart, readout, note);

    function draw() {
      const g = graphs.find((one) => one.order === state.order), f = g.f;
      W = box.clientWidth && box.clientWidth < 520 ? NARROW : WIDE;
      const [from, to, k] = range(state.view, g), x = scale(from, to, LEFT, W - RIGHT, k);
      const inside = g.points.filter((p) => p.x.value >= from && p.x.value <= to);
      const panels = [values(g, inside, x), errors(g, inside, x), ...(g.own ? [owns(g, inside, x)] : [])];
      const xt = ticks(from, to, x, 44);
      const height = panels.length > 2 ? H[0] + H[1] + H[2] + 24 : H[0] + H[1] + 24;
      let top = 0;
      const root = svg("svg", { viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": `${PRIMES[g.order]} computed and exact, the error over its bound${g.own ? ", and the difference to the framework's own" : ""}` });
      panels.forEach((parts, i) => {
        const lines = xt.map((v) => svg("path.grid", { d: `M${x(v)} 6V${H[i] - 14}` }));
        const marks = kinks.map(Number).filter((v) => v >= from && v <= to).map((v) => svg("path.kink", { d: `M${x(v)} 6V${H[i] - 14}` }, svg("title", null, `kink at ${v}`)));
        root.append(svg("g", { transform: `translate(0 ${top})` }, lines, marks, parts));
        top += H[i];
      });
      root.append(svg("g.axis", null, xt.map((v) => svg("text", { x: x(v), y: top + 6, "text-anchor": "middle" }, short(v))), svg("text", { x: W - RIGHT, y: top + 20, "text-anchor": "end" }, "x")));
      const cursor = svg("path.cursor", { d: "" });
      root.append(cursor);
      chart.replaceChildren(root);
      note.textContent = inside.length ? (inside.length < FEW ? `${inside.length} of ${g.points.length} inputs that were drawn lie here; each is a dot.` : "") : "No input that was drawn lies here; the whole line shows where some do.";
      for (const b of gp.all("[data-key]", box)) b.setAttribute("aria-pressed", String(String(state[b.dataset.key]) === b.dataset.value));
      const worst = inside.reduce((best, p, i) => (p.error > (inside[best]?.error ?? -1) ? i : best), 0);
      const show = (i) => {
        if (!inside.length) return;
        state.at = Math.max(0, Math.min(inside.length - 1, i));
        const p = inside[state.at];
        cursor.setAttribute("d", `M${x(p.x.value)} 4V${top - 12}`);
        const row = (name, n) => n && el("tr", null, el("th", { scope: "row" }, name), el("td", null, decimal(n.value, f)), el("td", null, n.bits === undefined ? "" : hex(n.bits, f)));
        const error = p.error === Infinity ? "wrong class" : `${short(p.error)} of the bound`;
        const line = `${PRIMES[g.order]} ${g.cell.implementation} ${g.cell.format}: x = ${decimal(p.x.value, f)} (${hex(p.x.bits, f)}), got ${decimal(p.got.value, f)} (${hex(p.got.bits, f)}), expected ${decimal(p.due.value, f)}${p.due.bits === undefined ? "" : ` (${hex(p.due.bits, f)})`}, error ${error}`;
        readout.replaceChildren(
          el("table.num", null, el("tbody", null, row("worst x", p.x), row("got", p.got), row("expected", p.due), row("own", p.own))),
          el("p", null, `error ${error} `, el("button.copy", { type: "button", "data-copy": line }, "Copy")));
      };
      state.show = show;
      state.near = (px) => { let best = 0; inside.forEach((p, i) => { if (Math.abs(x(p.x.value) - px) < Math.abs(x(inside[best].x.value) - px)) best = i; }); show(best); };
      show(worst);
    }

    const path = (points, x, y, of) => {
      let d = "", down = false;
      for (const p of points) { const v = of(p); if (!Number.isFinite(v)) { down = false; continue; } d += `${down ? "L" : "M"}${x(p.x.value).toFixed(1)} ${y(v).toFixed(1)}`; down = true; }
      return d;
    };
    const axis = (name, y, marks, h) => [svg("g.axis", null, marks.map((v) => [svg("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, short(v)), svg("path.grid", { d: `M${LEFT} ${y(v)}H${W - RIGHT}` })])), svg("text.name", { x: LEFT + 4, y: 14 }, name), svg("path.frame", { d: `M${LEFT} 6V${h - 14}H${W - RIGHT}` })];

    function values(g, inside, x) {
      const known = inside.flatMap((p) => [p.due.value]).filter(Number.isFinite);
      let low = Math.min(0, ...known), high = Math.max(0, ...known);
      if (low === high) high = 1;
      const k = Math.max(-low, high) > 40 ? 1 : Math.max(-low, high) < 1e-3 ? Math.max(-low, high) : 1e3;
      const y = scale(low, high, H[0] - 20, 26, k);
      const clip = (v) => Math.max(low - (high - low), Math.min(high + (high - low), v));
      const others = graphs.filter((o) => o !== g).map((o) => svg("path.other", { d: path(o.points.filter((p) => p.x.value >= inside[0]?.x.value && p.x.value <= inside.at(-1)?.x.value && p.due.value >= low && p.due.value <= high), x, y, (p) => p.due.value) }, svg("title", null, PRIMES[o.order])));
      return [...axis(`${PRIMES[g.order]}: computed over exact`, y, ticks(low, high, y, 18), H[0]), ...others,
        svg("path.exact", { d: path(inside, x, y, (p) => p.due.value) }), svg("path.got", { d: path(inside, x, y, (p) => clip(p.got.value)) }),
        ...(inside.length < FEW ? inside.filter((p) => Number.isFinite(p.got.value)).map((p) => svg("circle.dot", { cx: x(p.x.value).toFixed(1), cy: y(clip(p.got.value)).toFixed(1), r: 2.5 })) : []),
        ...inside.filter((p) => !Number.isFinite(p.got.value) && Number.isFinite(p.due.value)).map((p) => svg("text.lost", { x: x(p.x.value), y: H[0] - 22, "text-anchor": "middle" }, "×"))];
    }
    function errors(g, inside, x) {
      const most = Math.max(2, ...inside.map((p) => p.error).filter(Number.isFinite));
      const y = (v) => H[1] - 14 - (Math.log2(1 + 4 * Math.min(v, most)) / Math.log2(1 + 4 * most)) * (H[1] - 38);
      const shades = g.fails.map(([a, b]) => [Math.max(LEFT, x(a)), Math.min(W - RIGHT, x(b))]).filter(([a, b]) => b >= LEFT && a <= W - RIGHT && Number.isFinite(a + b)).map(([a, b]) => svg("rect.fails", { x: a, y: 20, width: Math.max(1.5, b - a), height: H[1] - 34 }));
      const marks = [0, 1, ...[10, 100, 1e4, 1e6, 1e9, 1e12].filter((v) => v < most)].filter((v, i, all) => !i || y(all[i - 1]) - y(v) > 11);
      return [svg("rect.band", { x: LEFT, y: y(1), width: W - RIGHT - LEFT, height: H[1] - 14 - y(1) }), ...shades, ...axis(W === NARROW ? "error over the bound; the band is the contract" : "error over the bound: the contract is the band up to 1", y, marks, H[1]),
        ...inside.map((p) => svg(p.error > 1 ? "path.bar.bad" : "path.bar", { d: `M${x(p.x.value).toFixed(1)} ${H[1] - 14}V${p.error === Infinity ? 20 : y(p.error).toFixed(1)}` }))];
    }
    function owns(g, inside, x) {
      const of = (p) => { const d = Math.abs(p.got.value - p.own.value), s = Math.abs(p.due.value) || Number.MIN_VALUE; return p.got.bits === p.own.bits ? 0 : d / s; };
      const most = Math.max(1e-9, ...inside.map(of).filter(Number.isFinite)), y = (v) => H[2] - 14 - Math.min(1, Math.max(0, 1 + Math.log10(Math.max(v, 1e-18) / most) / 9)) * (H[2] - 38);
      return [...axis(W === NARROW ? "difference to the framework’s own" : "difference to the framework’s own, as a share of the exact value", y, [most], H[2]),
        ...inside.filter((p) => of(p) !== 0).map((p) => svg("path.bar", { d: `M${x(p.x.value).toFixed(1)} ${H[2] - 14}V${(Number.isFinite(of(p)) ? y(of(p)) : 20).toFixed(1)}` }))];
    }

    box.addEventListener("click", (e) => { const b = e.target.closest("[data-key]"); if (b) { state[b.dataset.key] = b.dataset.key === "order" ? Number(b.dataset.value) : b.dataset.value; draw(); } });
    chart.addEventListener("pointermove", (e) => { const r = gp.$("svg", chart).getBoundingClientRect(); state.near(((e.clientX - r.left) / r.width) * W); });
    chart.addEventListener("click", () => gp.$(".copy", readout)?.click());
    chart.addEventListener("keydown", (e) => { const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key]; if (step) { e.preventDefault(); state.show(state.at + step); gp.say(readout.textContent); } });
    draw();
    return true;
  };
})();
