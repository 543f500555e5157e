"use strict";
// A map on a plain canvas: tiles of the run's own mosaic, corridors, outlines, marks of cases.
const COLOURS = { zhan: "#0072b2", cai: "#f0e442", dui: "#cc79a7", jian: "#d55e00" }; // as in QGIS and KML
const HOLLOW = new Set(["watch", "rejected", "permitted", "withdrawn", "closed"]);

function shapeOf(g, kind, x, y, r) {
  g.beginPath();
  if (kind === "zhan") g.arc(x, y, r, 0, 7);
  else if (kind === "cai") { g.moveTo(x, y - r * 1.25); g.lineTo(x + r * 1.25, y); g.lineTo(x, y + r * 1.25); g.lineTo(x - r * 1.25, y); g.closePath(); }
  else if (kind === "dui") { g.moveTo(x, y - r * 1.2); g.lineTo(x + r * 1.2, y + r); g.lineTo(x - r * 1.2, y + r); g.closePath(); }
  else g.rect(x - r, y - r, 2 * r, 2 * r);
}

// Kind is shape and colour; status is the filling: full, hollow, or ringed once people work on it.
function markOf(g, kind, status, x, y, r, gone) {
  const colour = COLOURS[kind] || "#555";
  shapeOf(g, kind, x, y, r);
  g.lineWidth = 4; g.strokeStyle = HOLLOW.has(status) ? "#222" : "#fff"; g.stroke(); // yellow on white needs an edge
  g.fillStyle = HOLLOW.has(status) ? "#fff" : colour; g.fill();
  g.lineWidth = 2; g.strokeStyle = HOLLOW.has(status) ? colour : "#222"; g.stroke();
  if (["issued", "verified", "rectifying", "relapsed"].includes(status)) { g.beginPath(); g.arc(x, y, r * 0.4, 0, 7); g.fillStyle = "#fff"; g.fill(); g.lineWidth = 1; g.strokeStyle = "#222"; g.stroke(); }
  if (gone) { g.beginPath(); g.moveTo(x - r, y - r); g.lineTo(x + r, y + r); g.lineWidth = 2; g.strokeStyle = "#222"; g.stroke(); }
}

function markImage(kind, status, gone) {
  const c = document.createElement("canvas");
  c.width = c.height = 18;
  c.setAttribute("aria-hidden", "true");
  markOf(c.getContext("2d"), kind, status, 9, 9, 5.5, gone);
  return c;
}

// Thousands of marks are copied, not drawn.
const stamps = new Map();
function stamp(g, c, x, y) {
  const gone = c.list === "suppressed", key = c.kind + c.status + gone;
  if (!stamps.has(key)) {
    const image = document.createElement("canvas");
    image.width = image.height = 40;
    const s = image.getContext("2d");
    s.scale(2, 2);
    markOf(s, c.kind, c.status, 10, 10, 6, gone);
    stamps.set(key, image);
  }
  g.drawImage(stamps.get(key), x - 10, y - 10, 20, 20);
}

const mercator = ([lon, lat]) => {
  const s = Math.sin(lat * Math.PI / 180);
  return [lon / 360 + 0.5, 0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI)];
};
const lonlat = ([x, y]) => [(x - 0.5) * 360, Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI];

const Chart = (() => {
  const canvas = document.getElementById("map"), g = canvas.getContext("2d");
  const images = new Map(), KEPT = 400, DEEP = 3; // pictures that are kept; flights one over another that are drawn
  let asked = new Set(); // pictures of this paint
  let width = 1, height = 1, ratio = 1, cx = 0.5, cy = 0.5, zoom = 1000, waiting = false;
  let cases = [], current = null, maps = [], when = "after", corridors = [], drawing = null, mouse = null;
  let onPick = () => {}, onDone = () => {}, onDay = () => {}, day = "";

  const sx = (x) => (x - cx) * zoom + width / 2, sy = (y) => (y - cy) * zoom + height / 2;
  const back = (px, py) => [(px - width / 2) / zoom + cx, (py - height / 2) / zoom + cy];
  const metresPerPx = () => 40075016.7 * Math.cos(lonlat([cx, cy])[1] * Math.PI / 180) / zoom;

  function setup(data, pick, told) {
    onPick = pick; onDay = told || onDay;
    corridors = data.corridors.map((c) => ({ rings: c.rings.map((r) => r.map(mercator)) }));
    for (const m of data.maps) {
      const tiles = m.tiles.map((t) => {
        const [nw, ne, sw] = t.corners.map(mercator);
        const xs = [nw[0], ne[0], sw[0], ne[0] + sw[0] - nw[0]], ys = [nw[1], ne[1], sw[1], ne[1] + sw[1] - nw[1]];
        return { src: m.folder + "/" + t.name, level: t.level, nw, ne, sw, box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
      });
      maps.push({ tiles, when: m.when, on: m.on, top: tiles.reduce((most, t) => Math.max(most, t.level), 0) });
    }
    bury();
    resize();
  }
  const holds = (box, x, y) => x >= box[0] && y >= box[1] && x <= box[2] && y <= box[3];
  const finest = (m) => m.tiles.filter((t) => !t.level);
  // What lies below three newer flights wherever it reaches is not drawn: of a place that is flown each week, dozens.
  function bury() {
    const flights = maps.filter((m) => m.when).map((m) => ({ m, fine: finest(m) }));
    flights.forEach(({ m, fine }, i) => {
      const over = flights.slice(i + 1).filter((f) => f.m.when === m.when);
      const hidden = (x, y) => over.filter((f) => f.fine.some((t) => holds(t.box, x, y))).length >= DEEP;
      const sides = [0.05, 0.5, 0.95];
      for (const t of fine) t.under = sides.every((u) => sides.every((v) => hidden(t.box[0] + u * (t.box[2] - t.box[0]), t.box[1] + v * (t.box[3] - t.box[1]))));
      for (const t of m.tiles) if (t.level) t.under = fine.filter((f) => holds(t.box, (f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2)).every((f) => f.under);
    });
  }
  // Local day of the newest flight that is shown in the middle; empty where there is none.
  function dayShown() {
    const here = maps.filter((m) => m.when === when && finest(m).some((t) => holds(t.box, cx, cy)));
    return here.length ? here[here.length - 1].on : "";
  }
  function resize() {
    ratio = window.devicePixelRatio || 1;
    width = canvas.clientWidth || 1; height = canvas.clientHeight || 1;
    canvas.width = width * ratio; canvas.height = height * ratio;
    paint();
  }
  function paint() {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); }
  }
  function path(ring, close) {
    g.beginPath();
    ring.forEach((p, i) => (i ? g.lineTo(sx(p[0]), sy(p[1])) : g.moveTo(sx(p[0]), sy(p[1]))));
    if (close) g.closePath();
  }
  function draw() {
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = "#dfe3e6"; g.fillRect(0, 0, width, height);
    drawTiles();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.strokeStyle = "#ffffff"; g.lineWidth = 3;
    for (const c of corridors) for (const r of c.rings) { path(r, true); g.strokeStyle = "#fff"; g.lineWidth = 3; g.stroke(); g.strokeStyle = "#3b4a57"; g.lineWidth = 1.2; g.stroke(); }
    for (const c of cases) {
      if (c === current) continue;
      const x = sx(c.m[0]), y = sy(c.m[1]);
      if (x < -30 || y < -30 || x > width + 30 || y > height + 30) continue;
      if (c.size * zoom > 14) outline(c, "#ffdd00", 2);
      stamp(g, c, x, y);
    }
    if (current) {
      if (current.size * zoom > 6) outline(current, "#ffdd00", 3);
      const x = sx(current.m[0]), y = sy(current.m[1]);
      g.beginPath(); g.arc(x, y, 15, 0, 7); g.strokeStyle = "#fff"; g.lineWidth = 6; g.stroke(); g.strokeStyle = "#d00040"; g.lineWidth = 3; g.stroke();
      if (current.size * zoom <= 40) markOf(g, current.kind, current.status, x, y, 7, current.list === "suppressed");
      const drawn = (Verdicts.of(current) || {}).outline;
      if (drawn) { path(drawn.map(mercator), true); g.strokeStyle = "#fff"; g.lineWidth = 5; g.stroke(); g.strokeStyle = "#d00040"; g.lineWidth = 2.5; g.stroke(); }
    }
    if (drawing) drawSketch();
    scaleBar();
  }
  function outline(c, colour, w) {
    for (const r of c.rings) { path(r, true); g.strokeStyle = "#000"; g.lineWidth = w + 2; g.stroke(); g.strokeStyle = colour; g.lineWidth = w; g.stroke(); }
  }
  // One after the other: flights over what satellites saw, the newest on top; of a pair one date at a time.
  function drawTiles() {
    asked = new Set();
    for (const m of maps) if (!m.when || m.when === when) drawMap(m);
    // Never one of this paint: it would be asked for again by the next, and that by its coming.
    for (const src of images.keys()) {
      if (images.size <= KEPT || asked.has(src)) break;
      images.delete(src);
    }
    if (day !== dayShown()) { day = dayShown(); onDay(); }
  }
  function drawMap({ tiles, top }) {
    const perTile = tiles.length ? (tiles[0].ne[0] - tiles[0].nw[0]) * zoom : 0;
    const use = Math.min(perTile > 300 ? 0 : perTile > 75 ? 1 : 2, top);
    for (const wanted of use < top ? [use + 1, use] : [use]) {
      for (const t of tiles) {
        if (t.level !== wanted || t.under) continue;
        if (sx(t.box[2]) < 0 || sy(t.box[3]) < 0 || sx(t.box[0]) > width || sy(t.box[1]) > height) continue;
        const image = load(t.src);
        if (!image) continue;
        const x = sx(t.nw[0]), y = sy(t.nw[1]);
        g.setTransform(
          ratio * (sx(t.ne[0]) - x) / image.width, ratio * (sy(t.ne[1]) - y) / image.width,
          ratio * (sx(t.sw[0]) - x) / image.height, ratio * (sy(t.sw[1]) - y) / image.height, ratio * x, ratio * y);
        g.imageSmoothingEnabled = perTile < 2500;
        g.drawImage(image, 0, 0);
      }
    }
  }
  function load(src) {
    const known = images.get(src);
    asked.add(src);
    if (known) {
      images.delete(src); images.set(src, known); // the last used are at the end
      return known.complete && known.naturalWidth ? known : null;
    }
    const image = new Image();
    image.onload = paint;
    image.src = src;
    images.set(src, image);
    return null;
  }
  function scaleBar() {
    const most = 130 * metresPerPx(), power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most);
    const bar = document.getElementById("scale");
    bar.style.width = length / metresPerPx() + "px";
    bar.textContent = length >= 1000 ? length / 1000 + " km" : length + " m";
  }
  function zoomBy(times, px, py) {
    const [x, y] = back(px, py);
    zoom = Math.max(300, Math.min(3e9, zoom * times));
    const [nx, ny] = back(px, py);
    cx += x - nx; cy += y - ny;
    paint();
  }
  function fit(points) {
    if (!points.length) return;
    let a = Infinity, b = Infinity, c = -Infinity, d = -Infinity;
    for (const [x, y] of points) { a = Math.min(a, x); b = Math.min(b, y); c = Math.max(c, x); d = Math.max(d, y); }
    cx = (a + c) / 2; cy = (b + d) / 2;
    zoom = Math.min(4e8, 0.84 / Math.max((c - a) / width, (d - b) / height, 1e-9));
    paint();
  }
  function show(c, close) {
    current = c;
    if (c) {
      const x = sx(c.m[0]), y = sy(c.m[1]);
      if (close) { cx = c.m[0]; cy = c.m[1]; zoom = Math.min(4e8, Math.max(2e6, 0.25 * Math.min(width, height) / Math.max(c.size, 1e-9))); }
      else if (x < 60 || y < 60 || x > width - 60 || y > height - 60) { cx = c.m[0]; cy = c.m[1]; }
    }
    paint();
  }
  // Drawing a corrected outline.
  // With a ring it is edited: corners are dragged; without, corners are set one by one.
  function sketch(done, ring) {
    drawing = { points: ring ? thinned(ring.map(mercator)) : [], edits: Boolean(ring), touched: -1 };
    onDone = done; canvas.style.cursor = "crosshair"; canvas.focus(); paint();
  }
  // An outline along pixels has a corner at each: those within a twentieth of its size are left out.
  function thinned(ring) {
    const xs = ring.map((p) => p[0]), ys = ring.map((p) => p[1]);
    let most = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)) / 20;
    const keep = (part) => {
      const [a, b] = [part[0], part[part.length - 1]], length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1e-12;
      let far = 0, at = -1;
      part.forEach((p, i) => { const d = Math.abs((b[0] - a[0]) * (a[1] - p[1]) - (a[0] - p[0]) * (b[1] - a[1])) / length; if (d > far) { far = d; at = i; } });
      return far > most && at > 0 ? [...keep(part.slice(0, at + 1)).slice(0, -1), ...keep(part.slice(at))] : [a, b];
    };
    if (ring.length <= 12) return ring.slice();
    const half = ring.length >> 1;
    const size = (r) => Math.abs(r.reduce((sum, p, i) => { const q = r[(i + 1) % r.length]; return sum + (p[0] - r[0][0]) * (q[1] - r[0][1]) - (q[0] - r[0][0]) * (p[1] - r[0][1]); }, 0));
    // A strip is narrower than that, and would be left a line: its corners are thinned less.
    for (let tries = 0; tries < 12; tries++, most /= 2) {
      const thin = [...keep(ring.slice(0, half + 1)).slice(0, -1), ...keep([...ring.slice(half), ring[0]]).slice(0, -1)];
      if (thin.length > 3 && Math.abs(size(thin) - size(ring)) < size(ring) / 10) return thin;
    }
    return ring.slice();
  }
  const cornerAt = (px, py) => {
    let best = -1, least = 11;
    drawing.points.forEach((p, i) => { const d = Math.hypot(sx(p[0]) - px, sy(p[1]) - py); if (d < least) { least = d; best = i; } });
    return best;
  };
  // Gives the corner after which a point lies on an edge, or -1.
  const edgeAt = (px, py) => {
    const p = drawing.points.map((q) => [sx(q[0]), sy(q[1])]);
    return p.findIndex((a, i) => {
      const b = p[(i + 1) % p.length], dx = b[0] - a[0], dy = b[1] - a[1];
      const t = Math.max(0, Math.min(1, ((px - a[0]) * dx + (py - a[1]) * dy) / (dx * dx + dy * dy || 1)));
      return Math.hypot(a[0] + t * dx - px, a[1] + t * dy - py) < 9;
    });
  };
  function endSketch(keep) {
    const points = drawing ? drawing.points : [];
    drawing = null; canvas.style.cursor = "grab"; paint();
    onDone(keep ? points.map(lonlat) : null);
  }
  function drawSketch() {
    const p = drawing.points.concat(mouse && !drawing.edits ? [back(mouse[0], mouse[1])] : []);
    if (!p.length) return;
    path(p, p.length > 2); g.fillStyle = "#d0004033"; g.fill();
    g.strokeStyle = "#fff"; g.lineWidth = 5; g.stroke(); g.strokeStyle = "#d00040"; g.lineWidth = 2.5; g.stroke();
    drawing.points.forEach(([x, y], i) => { g.beginPath(); g.arc(sx(x), sy(y), drawing.edits ? 6 : 4, 0, 7); g.fillStyle = drawing.edits && i === drawing.touched ? "#d00040" : "#fff"; g.fill(); g.stroke(); });
    if (mouse && !drawing.edits) { g.beginPath(); g.moveTo(mouse[0] - 9, mouse[1]); g.lineTo(mouse[0] + 9, mouse[1]); g.moveTo(mouse[0], mouse[1] - 9); g.lineTo(mouse[0], mouse[1] + 9); g.stroke(); }
  }
  // By keys: arrows [px] move the cross, or of an outline that is edited the corner in hand.
  function nudge(dx, dy) {
    if (drawing.edits) {
      const i = drawing.touched = Math.max(0, drawing.touched), [x, y] = drawing.points[i];
      drawing.points[i] = [x + dx / zoom, y + dy / zoom];
    } else mouse = [Math.max(0, Math.min(width, cross()[0] + dx)), Math.max(0, Math.min(height, cross()[1] + dy))];
    paint();
  }
  const cross = () => mouse || [width / 2, height / 2];
  // Space puts a corner at the cross, or takes the next corner in hand.
  function put() {
    if (drawing.edits) drawing.touched = (drawing.touched + 1) % drawing.points.length;
    else { mouse = cross(); drawing.points.push(back(...mouse)); drawing.touched = drawing.points.length - 1; }
    paint();
  }
  let held = null, moved = 0, corner = -1;
  canvas.addEventListener("pointerdown", (e) => { corner = drawing ? cornerAt(e.offsetX, e.offsetY) : -1; if (corner >= 0) drawing.touched = corner; held = [e.offsetX, e.offsetY]; moved = 0; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", (e) => {
    mouse = [e.offsetX, e.offsetY];
    if (held) {
      moved += Math.abs(e.offsetX - held[0]) + Math.abs(e.offsetY - held[1]);
      if (drawing && corner >= 0) drawing.points[corner] = back(e.offsetX, e.offsetY);
      else { cx -= (e.offsetX - held[0]) / zoom; cy -= (e.offsetY - held[1]) / zoom; }
      held = [e.offsetX, e.offsetY];
    }
    if (held || drawing) paint();
  });
  canvas.addEventListener("pointerup", (e) => {
    held = null;
    if (moved > 4) return;
    if (drawing && corner >= 0) return;
    if (drawing && drawing.edits) {
      const i = edgeAt(e.offsetX, e.offsetY);
      if (i >= 0) { drawing.points.splice(i + 1, 0, back(e.offsetX, e.offsetY)); drawing.touched = i + 1; paint(); }
      return;
    }
    if (drawing) { drawing.points.push(back(e.offsetX, e.offsetY)); drawing.touched = drawing.points.length - 1; paint(); return; }
    let best = null, least = 16;
    for (const c of cases) {
      const d = Math.hypot(sx(c.m[0]) - e.offsetX, sy(c.m[1]) - e.offsetY);
      if (d < least) { least = d; best = c; }
    }
    if (best) onPick(best);
  });
  canvas.addEventListener("dblclick", () => { if (drawing && !drawing.edits) endSketch(true); });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoomBy(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY); }, { passive: false });
  window.addEventListener("resize", resize);
  return {
    setup, show, fit, paint, sketch, endSketch, nudge, put, metresPerPx,
    list(these) { cases = these; paint(); },
    zoom(times) { zoomBy(times, width / 2, height / 2); },
    // With the ground around each: one case alone is not to fill the map.
    fitAll() { fit(cases.length ? cases.flatMap((c) => [-4, 4].map((k) => [c.m[0] + k * c.size, c.m[1] + k * c.size])) : corridors.flatMap((c) => c.rings.flat())); },
    day: () => day,
    dates: () => new Set(maps.map((m) => m.when)).has("before"),
    // A date that no flight has is not shown: a lone one would go.
    date(which) { if (maps.some((m) => m.when === which)) { when = which; paint(); } return when; },
    drawing: () => drawing !== null,
    undo() {
      if (!drawing || (drawing.edits && (drawing.touched < 0 || drawing.points.length <= 3))) return;
      drawing.points.splice(drawing.touched < 0 ? drawing.points.length - 1 : drawing.touched, 1);
      drawing.touched = drawing.edits ? -1 : drawing.points.length - 1;
      paint();
    },
    corners: () => (drawing ? drawing.points.map((p) => [sx(p[0]), sy(p[1])]) : []),
    at: (m) => [sx(m[0]), sy(m[1])],
  };
})();
