/* The overlaid error curves: a Vega-Lite specification from the envelopes of a family of pages. */
(function (gp) {
  const EMPTY = 254, MISMATCH = 255;
  /* Okabe and Ito's colours, which colour-blind readers tell apart; modes differ by dash as well. */
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b59a00"];
  const DARK = ["#56b4e9", "#f0803c", "#3fc79a", "#e6a0c4", "#f0b93a", "#8fd3ff", "#b5b5b5", "#f0e442"];
  const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];

  const levels = gp.levels = (curve) => Uint8Array.from(atob(curve.bins), (c) => c.charCodeAt(0));

  function position(grid, index, axis) {
    if (axis === "ordinal" || !grid) return index + 0.5;
    const value = Number(grid.edges[index].replace("inf", "Infinity"));
    const size = Math.log10(Math.max(Math.abs(value), grid.tiny)) - Math.log10(grid.tiny);
    return Number.isFinite(value) ? Math.sign(value) * size : null;
  }

  function ticks(grid, axis) {
    if (!grid) return [];
    if (axis === "ordinal") return grid.ticks.map((t) => ({ at: t.at, label: t.label }));
    return grid.ticks.map((t) => {
      const value = Number(t.label);
      return { at: value === 0 ? 0 : Math.sign(value) * (Math.log10(Math.abs(value)) - Math.log10(grid.tiny)), label: t.label };
    });
  }

  /* Where a narrow range holds no round number: values of bins, evenly spread. */
  function ends(grid, axis, domain, found) {
    if (!grid || axis !== "ordinal") return found;
    const at = [0, 1, 2, 3, 4].map((i) => Math.round(domain[0] + (i * (domain[1] - domain[0])) / 4));
    return [...new Set(at)].map((i) => ({ at: i, label: grid.edges[i] })).filter((t) => Number.isFinite(Number(t.label)));
  }

  /* Ticks that leave room for their labels; 0 first, then outwards from the middle. */
  function spaced(all, span, room) {
    const kept = [];
    const centre = all.find((t) => t.label === "0");
    const near = all.slice().sort((a, b) => Math.abs(Math.abs(Math.log10(Math.abs(Number(a.label)) || 1))) - Math.abs(Math.log10(Math.abs(Number(b.label)) || 1)));
    for (const tick of [centre, ...near]) {
      if (tick && !kept.includes(tick) && kept.every((k) => Math.abs(k.at - tick.at) > room * span)) kept.push(tick);
    }
    return kept;
  }

  gp.series = function (data, pages) {
    const found = [];
    for (const page of pages) {
      const cell = page.cells.map((i) => data.results.cells[i]).find((c) => c.curve);
      if (!cell) continue;
      const bins = levels(cell.curve);
      const key = `${cell.format} ${cell.curve.lo} ${cell.curve.hi} ${bins.length}`;
      found.push({ name: page.series, slug: page.slug, compiled: cell.mode !== "eager", bins, grid: data.grids[key], curve: cell.curve });
    }
    return found;
  };

  function specification(series, axis, width, dark, current) {
    const lines = [], marks = [];
    let last = 1;
    for (const s of series) {
      s.bins.forEach((level, i) => {
        const x = position(s.grid, i, axis);
        if (x === null || level === EMPTY) { lines.push({ s: s.name, x: x ?? i, y: null }); return; }
        const near = s.grid ? `${s.grid.edges[i]} … ${s.grid.edges[i + 1]}` : `bin ${i}`;
        if (level === MISMATCH) { marks.push({ s: s.name, x, near }); lines.push({ s: s.name, x, y: null }); return; }
        lines.push({ s: s.name, x, y: level / 8, u: `${gp.figure(2 ** (level / 8) - 1)}${s.unit ?? " ulp"}`, near });
      });
      last = Math.max(last, s.bins.length);
    }
    const xs = lines.map((l) => l.x);
    const domain = axis === "ordinal" ? series[0].domain ?? [0, last] : [Math.min(...xs), Math.max(...xs)];
    const inside = ticks(series[0].grid, axis).filter((t) => domain[0] <= t.at && t.at <= domain[1]);
    const shown = spaced(inside.length > 1 ? inside : ends(series[0].grid, axis, domain, inside), domain[1] - domain[0], 62 / width);
    const labels = Object.fromEntries(shown.map((t) => [String(t.at), t.label]));
    const labelExpr = shown.map((t) => `abs(datum.value - ${t.at}) < 1e-9 ? '${t.label.replaceAll("-", "−")}' : `).join("") + "''";
    const ink = dark ? "#9aa5aa" : "#5c676d", rule = dark ? "#2e363a" : "#e6e8e5";
    const names = series.map((s) => s.name);
    const colour = {
      field: "s", type: "nominal", title: null,
      scale: { domain: names, range: names.map((_, i) => (dark ? DARK : COLOURS)[i % COLOURS.length]) },
      legend: { orient: "top", direction: "horizontal", columns: Math.max(1, Math.min(4, Math.floor(width / 170))), symbolType: "stroke", symbolSize: 260, labelLimit: 320, offset: 6 },
    };
    const dash = {
      field: "s", type: "nominal", title: null, legend: colour.legend,
      scale: { domain: names, range: series.map((s) => DASHES[s.compiled ? 1 : 0]) },
    };
    const x = { field: "x", type: "quantitative", scale: { domain, nice: false } };
    const top = Math.max(4, Math.ceil(Math.max(...lines.map((l) => l.y ?? 0))) + 0.5);
    const strip = marks.length ? [{
      width, height: Math.max(14, 12 * names.length),
      data: { values: marks },
      mark: { type: "tick", thickness: 2.2, bandSize: 10 },
      encoding: {
        x: { ...x, axis: null },
        y: { field: "s", type: "nominal", sort: names, scale: { domain: names }, axis: { title: "NaN, ±∞", labels: false, ticks: false, domain: false, titleAngle: 0, titleAlign: "right", titleBaseline: "middle", titlePadding: 12 } },
        color: colour,
        tooltip: [{ field: "s", title: "on" }, { field: "near", title: "x in" }],
      },
    }] : [];
    const main = {
      width, height: 270,
      data: { values: lines },
      layer: [
        {
          params: [{ name: "zoom", select: { type: "interval", encodings: ["x"], zoom: "wheel![event.shiftKey]" }, bind: "scales" }],
          mark: { type: "line", interpolate: "step", strokeWidth: 1.4, clip: true, invalid: "break-paths-show-domains" },
          encoding: { strokeDash: dash, opacity: { condition: { test: `datum.s === ${JSON.stringify(current)}`, value: 1 }, value: 0.65 } },
        },
        {
          params: [{ name: "near", select: { type: "point", on: "pointerover", nearest: true, clear: "pointerout" } }],
          mark: { type: "point", filled: true, size: 55, clip: true },
          transform: [{ filter: "isValid(datum.y)" }],
          encoding: {
            opacity: { condition: { param: "near", empty: false, value: 1 }, value: 0 },
            tooltip: [{ field: "s", title: "on" }, { field: "near", title: "x in" }, { field: "u", title: "u up to" }],
          },
        },
      ],
      encoding: {
        x: { ...x, axis: { values: shown.map((t) => t.at), labelExpr, title: axis === "ordinal" ? "x, by position among the floats" : "x, by sign · log |x|", labelOverlap: false, grid: true } },
        y: { field: "y", type: "quantitative", scale: { domain: [0, top], nice: false }, axis: { title: series.length > 1 && series[0].unit !== undefined ? "log₂(1 + error)" : "log₂(1 + u)", tickMinStep: 1, tickCount: 7 } },
        color: colour,
      },
    };
    return {
      vconcat: [...strip, main], spacing: 6,
      resolve: { scale: { x: "shared", color: "shared" } },
      config: {
        background: null, font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
        axis: { labelColor: ink, titleColor: ink, gridColor: rule, domainColor: rule, tickColor: rule, titleFontWeight: 400, labelFontSize: 11, titleFontSize: 12, titlePadding: 8 },
        legend: { labelColor: ink, labelFontSize: 12 },
      },
    };
  }

  gp.drawCurves = (place, data, pages, axis, current) => gp.drawSeries(place, gp.series(data, pages), axis, current);

  /* Draws into `place`; resolves to false where there is nothing to draw. */
  gp.drawSeries = async function (place, series, axis, current) {
    const embed = series.length ? await gp.library() : null;
    if (!embed) return false;
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    const width = Math.max(320, place.clientWidth - 70);
    const spec = specification(series, axis, width, dark, current);
    /* ast: the interpreter, so that no text is ever turned into code. */
    await embed(place, spec, { mode: "vega-lite", renderer: "canvas", actions: false, ast: true, tooltip: { theme: "custom", disableDefaultStyle: true } });
    return true;
  };
})(window.gradproof);
