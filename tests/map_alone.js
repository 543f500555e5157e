"use strict";
// The map of the page without a browser: a canvas that counts, pictures that come one by one.
// Argument: map.js; input: JSON of {maps, ring, width, height, zoom}. Prints JSON of what came of it.
const fs = require("fs"), said = JSON.parse(fs.readFileSync(0, "utf8"));
let loads = 0, drawn = 0, days = [];
const queue = [];
const g = new Proxy({ drawImage: () => { drawn += 1; } }, { get: (t, k) => t[k] || (() => {}), set: (t, k, v) => { t[k] = v; return true; } });
const element = () => ({ style: {}, clientWidth: said.width, clientHeight: said.height, getContext: () => g, addEventListener() {} });
global.document = { getElementById: element, createElement: element };
global.window = { addEventListener() {} };
global.Verdicts = { of: () => null };
global.requestAnimationFrame = (f) => queue.push(f);
global.Image = class {
  constructor() { this.width = this.height = 512; }
  set src(_) { loads += 1; queue.push(() => { this.complete = true; this.naturalWidth = 512; this.onload(); }); }
};
const Chart = new Function(fs.readFileSync(process.argv[2], "utf8") + "\nreturn Chart;")();
const settle = () => { for (let n = 0; queue.length && n < 20000; n += 1) queue.shift()(); };
Chart.setup({ corridors: [{ rings: [said.ring] }], maps: said.maps }, () => {}, () => days.push(Chart.day()));
Chart.fitAll();
Chart.zoom(said.zoom);
settle();
const asked = loads, busy = queue.length > 0;
queue.length = drawn = 0;
if (!busy) { Chart.paint(); settle(); }
const after = drawn;
Chart.date("before");
if (!busy) settle();
drawn = 0;
if (!busy) { Chart.paint(); settle(); }
process.stdout.write(JSON.stringify({ loads: asked, busy, drawn: after, before: drawn, days }));
