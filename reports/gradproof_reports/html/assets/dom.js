"use strict";
const gp = {};
(function () {
  gp.$ = (selector, root = document) => root.querySelector(selector);
  gp.all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /* Text of others as text.py has it: control characters, bidirectional overrides and lone surrogates are shown and not obeyed. */
  const UNSEEN = /[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}\ud800-\udfff]/gu;
  const escaped = (c) => { const n = c.codePointAt(0); return n < 256 ? `\\x${n.toString(16).padStart(2, "0")}` : n < 65536 ? `\\u${n.toString(16).padStart(4, "0")}` : `\\U${n.toString(16).padStart(8, "0")}`; };
  gp.visible = (value) => typeof value === "string" ? value.replace(/[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/g, " ").replace(UNSEEN, escaped) : value;

  /* el("td.r", { title }, child, ...) and svg(...): text is always text, never markup. */
  const make = (create) => (what, attributes, ...children) => {
    const [tag, ...classes] = what.split(".");
    const node = create(tag);
    if (classes.length) node.setAttribute("class", classes.join(" "));
    for (const [key, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : gp.visible(value));
    node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map(gp.visible));
    return node;
  };
  gp.el = make((tag) => document.createElement(tag));
  gp.svg = make((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  gp.say = (text) => { gp.$("#said").textContent = text; };

  /* A part that waits in a <noscript> until it is asked for: parsed as text, it costs nothing at the start. It is the
     page's own markup, escaped when it was made. */
  gp.unfold = (holder) => {
    const waiting = gp.$("noscript", holder);
    if (!waiting) return false;
    const box = document.createElement("div");
    box.innerHTML = waiting.textContent;
    waiting.replaceWith(...box.childNodes);
    return true;
  };

  /* One stop for the Tab key among many items; the arrow keys do the rest. */
  gp.roving = (items, back, on) => {
    const shown = () => items().filter((i) => i.offsetParent !== null);
    const stop = (item) => { for (const i of items()) i.tabIndex = i === item ? 0 : -1; };
    const fresh = () => { const some = shown(); if (!some.some((i) => i.tabIndex === 0)) stop(some[0]); };
    document.addEventListener("focusin", (e) => { if (items().includes(e.target)) stop(e.target); });
    document.addEventListener("keydown", (e) => {
      const some = shown(), at = some.indexOf(e.target);
      if (at < 0) return;
      const next = e.key === back ? some[at - 1] : e.key === on ? some[at + 1] : e.key === "Home" ? some[0] : e.key === "End" ? some.at(-1) : null;
      if (next) { e.preventDefault(); stop(next); next.focus(); }
    });
    stop(shown()[0]);
    return fresh;
  };

  const once = (work) => { let held; return () => (held ??= work()); };
  async function unpack(base64) {
    if (!window.DecompressionStream) throw new Error("this browser cannot unpack the results in this page; update it, or use the results file");
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }
  /* The original bytes of the results file, and what they say. */
  gp.bytes = once(() => unpack(gp.$("#file").textContent));
  gp.results = once(async () => JSON.parse(new TextDecoder().decode(await gp.bytes())));
  gp.index = once(() => JSON.parse(gp.$("#index").textContent));
})();
