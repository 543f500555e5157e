"use strict";
// What the reviewer decides: kept in this browser, leaves as a file for `siluan cases verdict`.
const Verdicts = (() => {
  const given = new Map();
  let place = "";
  const COLUMNS = ["case_id", "revision", "verdict", "reason", "by", "on", "kind", "outline", "note"];
  const PERSONAL = /(^|[^0-9])(1[3-9][0-9]{9}|[0-9]{17}[0-9Xx]|0[0-9]{2,3}-?[0-9]{7,8})(?![0-9])/;
  const NO_PROBLEM = ["不是问题", "不是问题·历史不碍洪"];

  const PLACES = "siluan-review-run-";
  function open(run) {
    place = PLACES + run;
    try {
      for (const [id, v] of Object.entries(JSON.parse(localStorage.getItem(place) || "{}"))) given.set(id, v);
    } catch (_) { given.clear(); } // a browser without storage keeps verdicts until the page is closed
  }
  function keep() {
    try { localStorage.setItem(place, JSON.stringify(Object.fromEntries(given))); } catch (_) { /* as above */ }
  }
  // What was decided on pages of other runs in this browser, or of this run before it was made again
  // over changed cases, and is not known to be in the ledger; of two words on one revision the later one alone.
  function left(byId) {
    const last = new Map();
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const key = localStorage.key(i);
        if (!key.startsWith(PLACES)) continue;
        for (const [id, v] of Object.entries(JSON.parse(localStorage.getItem(key) || "{}"))) {
          if (!v || !v.verdict) continue;
          const name = id + " " + v.revision, before = last.get(name), keys = [...(before ? before.keys : []), key];
          const later = !before || (v.at || 0) > (before.v.at || 0) || ((v.at || 0) === (before.v.at || 0) && !v.saved);
          last.set(name, later ? { keys, key, id, v } : { ...before, keys });
        }
      }
    } catch (_) { /* no storage, or not ours */ }
    const here = (f) => f.key === place && byId.has(f.id) && byId.get(f.id).rev === f.v.revision;
    return [...last.values()].filter((f) => !f.v.saved && !here(f) && !(f.v.written && arrived(byId.get(f.id), f.v)));
  }
  // A browser does not say what became of a download: only the ledger does, of the cases on this page. A verdict
  // that was read takes its case to a newer revision, or off the lists, or it was the same verdict of another day,
  // which the ledger notes and no more.
  const arrived = (c, v) => !c || c.told.some(([word, on, rev]) => (word === v.verdict && on === v.on && rev >= v.revision)
    || (rev > v.revision && (word === v.verdict ? on >= v.on : on > v.on)));
  // They are not offered again: they were taken over, or the reviewer let them go.
  function settle(found) {
    try {
      for (const key of new Set(found.flatMap((f) => f.keys))) {
        const all = JSON.parse(localStorage.getItem(key) || "{}");
        for (const f of found) if (f.keys.includes(key) && all[f.id] && all[f.id].revision === f.v.revision) all[f.id].saved = true;
        localStorage.setItem(key, JSON.stringify(all));
        if (key === place) for (const f of found) if (given.has(f.id) && given.get(f.id).revision === f.v.revision) given.get(f.id).saved = true;
      }
    } catch (_) { /* as above */ }
  }
  // Only of the same revision, and only what its status takes: a case that has changed is judged anew.
  const fits = (c, v) => Boolean(c) && v.revision === c.rev && allowed(c, v.verdict) && !(of(c) || {}).verdict;
  function adopt(c, v) { given.set(c.id, { ...v, saved: false, written: 0 }); keep(); }
  const unwritten = (cases) => cases.filter((c) => { const v = of(c); return v && v.verdict && !v.saved && !v.written; }).length;
  const of = (c) => { const v = given.get(c.id); return v && v.revision === c.rev ? v : null; };
  function put(c, change) {
    const v = { revision: c.rev, verdict: "", reason: "", by: "", kind: "", on: "", note: "", outline: null, ...of(c), ...change, saved: false, written: 0, at: Date.now() };
    given.set(c.id, v); keep();
    return v;
  }
  function drop(c) { given.delete(c.id); keep(); }
  function allowed(c, verdict) { return NO_PROBLEM.includes(verdict) ? c.may.includes("no") : c.may.includes("yes"); }

  // Gives the code of what is wrong, or null. Who judged is who was named then: a computer is shared.
  function wrong(c, v, named, today) {
    const by = v.by || named;
    if (!by.trim()) return "needs_by";
    if (PERSONAL.test(v.note) || PERSONAL.test(by)) return "personal";
    if (v.verdict === "不是问题" && !v.reason) return "needs_reason";
    if (v.reason === "other" && !v.note.trim()) return "needs_reason";
    if (!v.on || v.on > today || (c.first && v.on < c.first)) return "needs_on";
    return null;
  }

  const xy = (p, lat) => [p[0] * 111320 * Math.cos(lat * Math.PI / 180), p[1] * 110540];
  function area(ring) {
    const pts = ring.map((p) => xy(p, ring[0][1]));
    let sum = 0;
    pts.forEach((p, i) => { const q = pts[(i + 1) % pts.length]; sum += p[0] * q[1] - q[0] * p[1]; });
    return Math.abs(sum) / 2;
  }
  function crosses(ring) {
    const turn = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
    const n = ring.length;
    for (let i = 0; i < n; i++) for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue;
      const a = ring[i], b = ring[(i + 1) % n], c = ring[j], d = ring[(j + 1) % n];
      if (turn(a, b, c) !== turn(a, b, d) && turn(c, d, a) !== turn(c, d, b)) return true;
    }
    return false;
  }
  // The rules of the command: docs/cases.md.
  function usable(c, ring) {
    if (ring.length < 3 || crosses(ring)) return false;
    const times = area(ring) / c.area;
    if (!(times >= 0.1 && times <= 10)) return false;
    const own = c.o.flat(), lat = c.pt[1];
    const lons = own.map((p) => p[0]), lats = own.map((p) => p[1]);
    const a = xy([Math.min(...lons), Math.min(...lats)], lat), b = xy([Math.max(...lons), Math.max(...lats)], lat);
    const most = Math.max(100, Math.hypot(b[0] - a[0], b[1] - a[1]) / 2);
    const near = (p) => Math.min(...own.map((q) => { const u = xy(p, lat), w = xy(q, lat); return Math.hypot(u[0] - w[0], u[1] - w[1]); }));
    return ring.every((p) => near(p) <= most);
  }
  function wkt(ring) {
    const pts = [...ring, ring[0]].map((p) => p[0].toFixed(7) + " " + p[1].toFixed(7));
    return "POLYGON ((" + pts.join(", ") + "))";
  }
  // No text is a formula, as in siluan's own files; no column of these is below zero.
  function cell(text) {
    let t = String(text === null || text === undefined ? "" : text);
    if (/^'*[=+\-@\t\r\n]/.test(t)) t = "'" + t;
    return /[",\r\n]/.test(t) || t !== t.trim() ? '"' + t.split('"').join('""') + '"' : t;
  }
  function csv(cases, by, today) {
    const rows = [COLUMNS.join(",")], bad = [], written = [];
    for (const c of cases) {
      const v = of(c);
      if (!v || !v.verdict) continue;
      if (wrong(c, v, by, today) || !allowed(c, v.verdict)) { bad.push(c.id); continue; }
      const all = { ...v, case_id: c.id, by: v.by || by, outline: v.outline ? wkt(v.outline) : "" };
      rows.push(COLUMNS.map((k) => cell(all[k])).join(","));
      written.push(c);
    }
    return { text: "\ufeff" + rows.join("\r\n") + "\r\n", count: rows.length - 1, bad, written };
  }
  function save(name, text) {
    const a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 10000);
  }
  // Given to the browser as a file; whether it was kept, and read, is not known.
  function wrote(cases) {
    for (const c of cases) given.get(c.id).written = Date.now();
    keep();
  }
  return { area, left, settle, fits, adopt, unwritten, wrote, open, of, put, drop, allowed, wrong, usable, csv, save, NO_PROBLEM };
})();
