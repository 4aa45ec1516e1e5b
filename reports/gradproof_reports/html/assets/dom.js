/* Small helpers: elements without markup strings, numbers as text. */
(function (gp) {
  /* el("td.r", { title }, child, ...): text is always text, never markup. */
  gp.el = function (what, attributes, ...children) {
    const [tag, ...classes] = what.split(".");
    const node = document.createElement(tag);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
    return node;
  };

  gp.figure = function (value, none = "–") {
    if (value === null || value === undefined) return none;
    if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  };

  gp.plain = function (value) {
    if (value === null || value === undefined) return "–";
    if (Array.isArray(value)) return value.map(gp.plain).join(", ");
    if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${k}: ${gp.plain(v)}`).join(", ");
    if (typeof value === "boolean") return value ? "yes" : "no";
    return typeof value === "number" ? (Number.isInteger(value) ? String(value) : gp.figure(value)) : String(value);
  };

  gp.say = function (text) { document.getElementById("said").textContent = text; };

  gp.copyButton = (text) => gp.el("button.copy", { type: "button", "data-copy": text }, "Copy");

  gp.table = function (className, heads, rows) {
    const head = gp.el("tr", null, heads.map((h) => gp.el("th" + (h.r ? ".r" : ""), { scope: "col" }, h.text ?? h)));
    return gp.el("table." + className, null, gp.el("thead", null, head), gp.el("tbody", null, rows));
  };
})(window.gradproof);
