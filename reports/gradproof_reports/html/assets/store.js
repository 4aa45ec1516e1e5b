"use strict";
window.gradproof = {};
/* The embedded document and the drawing library, each unpacked once, when first asked for. */
(function (gp) {
  const once = (make) => { let held; return () => (held ??= make()); };

  async function unpack(base64) {
    if (!window.DecompressionStream) throw new Error("this browser cannot unpack the embedded data; update it, or open the results file with gradproof report");
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  gp.data = once(async () => {
    let data = JSON.parse(document.getElementById("data").textContent);
    if (data.gzip) data = JSON.parse(await unpack(data.gzip));
    data.bySlug = new Map(data.pages.map((page) => [page.slug, page]));
    data.families = new Map();
    for (const page of data.pages) {
      if (!data.families.has(page.family)) data.families.set(page.family, []);
      data.families.get(page.family).push(page);
    }
    return data;
  });

  gp.library = once(async () => {
    const source = document.getElementById("library").textContent;
    if (!source) return null;
    const script = document.createElement("script");
    script.type = "module";
    script.textContent = (await unpack(source)) + ";window.dispatchEvent(new Event('gp-library'));";
    const ready = new Promise((resolve) => window.addEventListener("gp-library", resolve, { once: true }));
    document.head.append(script);
    await ready;
    return window.vegaEmbed;
  });
})(window.gradproof);
