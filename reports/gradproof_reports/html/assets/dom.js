/* Small helpers: elements without markup strings, numbers as text. */
(function (gp) {
  /* Text of others as text.py has it: control characters, bidirectional overrides and lone surrogates are shown and not obeyed. */
  const UNSEEN = /[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}\ud800-\udfff]/gu;
  const escaped = (c) => { const n = c.codePointAt(0); return n < 256 ? `\\x${n.toString(16).padStart(2, "0")}` : n < 65536 ? `\\u${n.toString(16).padStart(4, "0")}` : `\\U${n.toString(16).padStart(8, "0")}`; };
  gp.visible = (value) => typeof value === "string" ? value.replace(/[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/g, " ").replace(UNSEEN, escaped) : value;

  /* el("td.r", { title }, child, ...): text is always text, never markup. */
  gp.el = function (what, attributes, ...children) {
    const [tag, ...classes] = what.split(".");
    const node = document.createElement(tag);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : gp.visible(value));
    }
    node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false).map(gp.visible));
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
