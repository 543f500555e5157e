"use strict";
// The page: list, detail, keys. All text of the data goes through textContent.
(() => {
  const D = window.SILUAN_DATA, $ = (id) => document.getElementById(id), ROW = 46;
  const KINDS = ["zhan", "cai", "dui", "jian"], CODES = ["seen", "seen_uncertain", "missed", "undecided", "unseen"];
  const two = (n) => String(n).padStart(2, "0"), day = (d) => d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate());
  const today = day(new Date());
  const dayText = (n) => new Date(n * 864e5).toISOString().slice(0, 10);
  const SVG = "http://www.w3.org/2000/svg";
  let shown = [], current = null, shade = "true", rings = true, on = new Set(KINDS), said = "", fine = false;

  function el(tag, text, parent, name) {
    const e = document.createElement(tag);
    if (text !== undefined && text !== null) e.textContent = text;
    if (name) e.className = name;
    if (parent) parent.append(e);
    return e;
  }
  function svg(tag, attributes, parent) {
    const e = document.createElementNS(SVG, tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    parent.append(e);
    return e;
  }
  function options(select, pairs) {
    const had = select.value;
    select.replaceChildren(...pairs.map(([value, text]) => { const o = el("option", text); o.value = value; return o; }));
    if (pairs.some((p) => p[0] === had)) select.value = had;
  }

  // ---- data
  for (const c of D.cases) {
    c.rings = c.o.map((r) => r.map(mercator));
    c.m = mercator(c.pt);
    let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
    for (const r of c.rings) for (const [x, y] of r) { x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = Math.max(y1, y); }
    c.size = Math.max(x1 - x0, y1 - y0);
    c.text = [c.id, c.river, c.county, c.township, c.chain].join(" ").toLowerCase();
  }
  const byId = new Map(D.cases.map((c) => [c.id, c]));

  // ---- list
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0), byName = (a, b) => order(a.id, b.id);
  const LISTS = ["cases", "watch", "suppressed"], rank = (c) => LISTS.indexOf(c.list);
  const SORTS = {
    // What people are to decide on comes first, then what only analysts watch.
    new: (a, b) => rank(a) - rank(b) || order(b.first, a.first) || byName(a, b),
    area: (a, b) => b.area - a.area, score: (a, b) => b.score - a.score,
    visit: (a, b) => (a.visit || 1e9) - (b.visit || 1e9) || byName(a, b),
    chain: (a, b) => order(a.corridor, b.corridor) || (a.at === null ? 1e9 : a.at) - (b.at === null ? 1e9 : b.at) || byName(a, b),
    id: byName,
  };
  function filter() {
    const find = $("search").value.trim().toLowerCase(), list = $("list").value, status = $("status").value, corridor = $("corridor").value;
    shown = D.cases.filter((c) => on.has(c.kind) && (!list || c.list === list) && (!status || c.status === status)
      && (!corridor || c.corridor === corridor) && (!find || c.text.includes(find)) && (!$("open").checked || !(Verdicts.of(c) || {}).verdict));
    shown.sort(SORTS[$("sort").value] || SORTS.new);
    $("tall").style.height = shown.length * ROW + "px";
    $("count").textContent = say("shown", shown.length, D.cases.length);
    Chart.list(shown);
    rows();
  }
  function rows() {
    const box = $("rows"), first = Math.max(0, Math.floor(box.scrollTop / ROW) - 3), last = Math.min(shown.length, first + Math.ceil(box.clientHeight / ROW) + 7);
    const items = [];
    for (let i = first; i < last; i++) {
      const c = shown[i], v = Verdicts.of(c), item = el("div", null, null, "item" + (c === current ? " current" : ""));
      item.style.top = i * ROW + "px";
      item.setAttribute("role", "option"); item.id = "row" + i;
      item.setAttribute("aria-posinset", i + 1); item.setAttribute("aria-setsize", shown.length);
      item.setAttribute("aria-selected", String(c === current));
      item.append(markImage(c.kind, c.status, c.list === "suppressed"));
      el("b", say("suspected_") + say(c.kind) + " " + c.id.split("-").slice(-1)[0] + " · " + Math.round(c.area).toLocaleString("en") + " " + say("m2"), item);
      el("em", v && v.verdict ? v.verdict : one(STATUS, c.status), item, v && v.verdict ? "given" : "");
      el("small", [c.river, c.chain, c.county, c.township, c.first].filter(Boolean).join(" · "), item);
      item.addEventListener("click", () => pick(c));
      items.push(item);
    }
    $("tall").replaceChildren(...items);
    const at = shown.indexOf(current);
    if (at >= first && at < last) box.setAttribute("aria-activedescendant", "row" + at); else box.removeAttribute("aria-activedescendant");
  }
  function reveal() {
    const i = shown.indexOf(current), box = $("rows");
    if (i < 0) return;
    if (i * ROW < box.scrollTop) box.scrollTop = i * ROW;
    if ((i + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (i + 1) * ROW - box.clientHeight;
  }
  // Of panes one below another the case comes into view.
  function pick(c) {
    go(c);
    if (matchMedia("(max-width: 720px)").matches) $("detail").scrollIntoView();
  }
  function step(by) {
    if (!shown.length) return;
    const i = shown.indexOf(current);
    go(shown[i < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, i + by))]);
  }

  // ---- detail
  function go(c, close) {
    if (Chart.drawing()) Chart.endSketch(false);
    current = c; said = "";
    const hash = "#" + encodeURIComponent(c.id);
    if (location.hash !== hash) history.replaceState(null, "", hash);
    Chart.show(c, close);
    reveal(); rows(); detail();
  }
  function detail() {
    const c = current;
    $("detail").style.visibility = c ? "visible" : "hidden";
    if (!c) return;
    $("name").textContent = say("suspected_") + say(c.kind) + " · " + c.id;
    $("link").textContent = "# " + (english ? "link" : "链接"); $("link").href = "#" + encodeURIComponent(c.id);
    // What, where, since when: what an official asks first.
    $("brief").textContent = [one(STATUS, c.status), Math.round(c.area).toLocaleString("en") + " " + say("m2"), [c.river, c.chain, c.bank && say(c.bank)].filter(Boolean).join(" "),
      [c.county, c.township].filter(Boolean).join(" "), c.gone && c.first ? say("between", c.gone, c.first) + say("came") : c.first ? say("upto", c.first) + say("came") : ""].filter(Boolean).join(" · ");
    pictures(c); form(c); strip(c); facts(c); sheet(c);
    $("credit").textContent = c.credit || "";
  }
  function pictures(c) {
    const all = shades(c), kind = all.includes(shade) ? shade : "true";
    const has = (when) => (kind === "rise" ? when === "after" : c.pics.includes(when + "_" + kind));
    $("pictures").hidden = !(has("before") || has("after"));
    $("nopicture").hidden = !$("pictures").hidden && !c.missing.length;
    $("nopicture").textContent = ($("pictures").hidden ? say("no_picture") + " " : "") + c.missing.join("；");
    if ($("pictures").hidden) return;
    for (const when of ["before", "after"]) {
      const image = $(when);
      image.style.display = has(when) ? "" : "none";
      image.alt = say(when) + " " + (when === "before" ? c.before : c.after);
      if (has(when)) image.src = c.folder + "/" + (kind === "rise" ? kind : when + "_" + kind) + ".png"; else image.removeAttribute("src");
    }
    $("dateb").textContent = c.before && kind !== "rise" ? say("before") + " " + c.before : ""; $("datea").textContent = kind === "rise" ? say("rise_note") : c.after ? say("after") + " " + c.after : "";
    $("colour").textContent = say(kind + "_") + " → " + say((all.length > 1 ? next(all, kind) : "false") + "_");
    $("colour").disabled = all.length < 2;
    $("sheet").href = c.folder + "/overview.png";
    const lines = $("outline");
    lines.replaceChildren();
    lines.setAttribute("viewBox", "0 0 " + c.side[1] + " " + c.side[0]);
    if (rings) for (const name of ["under", ""]) for (const r of c.px) svg("polygon", { points: r.map((p) => p.join(",")).join(" "), class: name }, lines);
    $("ring").classList.toggle("on", rings);
    wipe();
  }
  // Of two flights the map shows one date at a time.
  function ground() {
    $("ground").hidden = !Chart.dates();
    $("ground").textContent = [say("chart_of", say(Chart.date())), Chart.day()].filter(Boolean).join(" ");
  }
  // The pictures of a case: true colour, false colour, change of height.
  const shades = (c) => ["true", "false", "rise"].filter((k) => k === "true" || c.pics.some((n) => n === k || n.endsWith("_" + k)));
  const next = (all, one) => all[(all.indexOf(one) + 1) % all.length];
  function wipe() {
    const share = Number($("slider").value), whole = $("before").style.display === "none";
    $("after").style.clipPath = whole ? "none" : "inset(0 0 0 " + share + "%)";
    $("line").style.left = share + "%"; $("line").style.display = whole ? "none" : "";
  }
  function form(c) {
    const v = Verdicts.of(c) || {};
    $("verdicts").replaceChildren(...VERDICTS.map(([code, text], i) => {
      const b = el("button", (i + 1) + " " + code + (english ? " (" + text + ")" : ""));
      b.type = "button";
      b.setAttribute("role", "radio"); b.setAttribute("aria-checked", String(v.verdict === code));
      b.classList.toggle("chosen", v.verdict === code);
      b.disabled = !Verdicts.allowed(c, code);
      b.addEventListener("click", () => judge(i));
      return b;
    }));
    const may = c.may;
    $("blocked").hidden = may.includes("yes");
    $("blocked").textContent = say(may.includes("no") ? "blocked" : "blocked_all", one(STATUS, c.status));
    $("reason").value = v.reason || ""; $("kind").value = v.kind || ""; $("on").value = v.on || today; $("note").value = v.note || "";
    $("reason").disabled = Boolean(v.verdict) && !Verdicts.NO_PROBLEM.includes(v.verdict);
    tell(c);
  }
  function tell(c) {
    const v = Verdicts.of(c);
    const bad = v && v.verdict ? Verdicts.wrong(c, v, $("by").value, today) : null;
    const outline = v && v.outline ? " · " + say("drawn") : "";
    $("said").textContent = said || (bad ? say(bad) : v && v.verdict ? say("given", v.verdict) + outline : v && v.outline ? say("drawn") : "");
    $("said").classList.toggle("bad", said ? !fine : Boolean(bad));
  }
  function judge(i) {
    const code = VERDICTS[i][0];
    if (!current || !Verdicts.allowed(current, code)) return;
    const v = Verdicts.put(current, { verdict: code, on: $("on").value || today, by: $("by").value.trim() });
    if (!Verdicts.NO_PROBLEM.includes(code)) Verdicts.put(current, { reason: "" });
    said = "";
    form(current); rows(); count();
    if (code === "不是问题" && !v.reason) $("reason").focus();
  }
  function changed() {
    if (!current) return;
    said = "";
    Verdicts.put(current, { reason: $("reason").value, kind: $("kind").value, on: $("on").value, note: $("note").value });
    tell(current);
  }
  // The largest ring of the outline as it stands: a corrected one where there is one.
  function ringOf(c) {
    const v = Verdicts.of(c);
    return v && v.outline ? v.outline : c.o.reduce((a, b) => (Verdicts.area(b) > Verdicts.area(a) ? b : a));
  }
  function startDrawing(moving) {
    if (!current) return;
    Chart.show(current, true);
    $("mapside").scrollIntoView({ block: "nearest" }); // where the panes lie one below another
    $("hint").hidden = false;
    $("hint").textContent = say(moving ? "editing" : "drawing") + (moving && current.o.length > 1 ? say("one_part") : "");
    Chart.sketch((ring) => {
      $("hint").hidden = true;
      if (ring) {
        const clean = ring.filter((p, i) => i === 0 || Math.hypot(p[0] - ring[i - 1][0], p[1] - ring[i - 1][1]) > 1e-7);
        if (Verdicts.usable(current, clean)) { Verdicts.put(current, { outline: clean, on: $("on").value || today }); said = ""; } else { said = say("bad_outline"); fine = false; }
      }
      tell(current); count(); Chart.paint();
    }, moving ? ringOf(current) : null);
  }

  const SHAPE = {
    seen: (x, y, p) => svg("circle", { cx: x, cy: y, r: 5, fill: "#dc3220", stroke: "#5a140a" }, p),
    seen_uncertain: (x, y, p) => svg("circle", { cx: x, cy: y, r: 4.5, fill: "#fff", stroke: "#dc3220", "stroke-width": 2.5 }, p),
    missed: (x, y, p) => svg("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9, fill: "#005ab5" }, p),
    undecided: (x, y, p) => svg("path", { d: `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z`, fill: "#fff", stroke: "#444" }, p),
    unseen: (x, y, p) => svg("path", { d: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7`, stroke: "#8a8a8a", "stroke-width": 2, fill: "none" }, p),
  };
  function strip(c) {
    const box = $("strip"), wide = 426;
    box.replaceChildren();
    box.setAttribute("viewBox", "0 0 " + wide + " 92");
    const n = [0, 0, 0, 0, 0];
    for (const k of c.looks) n[k[1]]++;
    box.setAttribute("role", "img"); box.setAttribute("aria-label", say("strip", n[0] + n[1], n[2], n[3] + n[4]));
    if (!c.looks.length) return;
    const first = c.looks[0][0], last = c.looks[c.looks.length - 1][0], span = Math.max(1, last - first);
    const at = (d) => 10 + (last > first ? (d - first) / span : 0.5) * (wide - 20);
    svg("line", { x1: 6, x2: wide - 6, y1: 72, y2: 72, stroke: "#bbb" }, box);
    for (const [d, , rank] of c.looks) if (rank !== null) svg("line", { x1: at(d), x2: at(d), y1: 72, y2: 72 - 40 * rank, stroke: "#96bedc", "stroke-width": 2 }, box);
    for (const code of [4, 3, 2, 1, 0]) for (const [d, k, rank] of c.looks) {
      if (k !== code) continue;
      const mark = SHAPE[CODES[k]](at(d), 16, box);
      svg("title", {}, mark).textContent = dayText(d) + " " + say(CODES[k]) + (rank === null ? "" : " · " + say("level") + " " + rank.toFixed(2));
    }
    for (const [d, anchor, x] of [[first, "start", 6], [last, "end", wide - 6]]) {
      const t = svg("text", { x, y: 87, "text-anchor": anchor, "font-size": 11, fill: "#444" }, box);
      t.textContent = dayText(d);
    }
    const t = svg("text", { x: wide / 2, y: 87, "text-anchor": "middle", "font-size": 11, fill: "#5a636b" }, box);
    t.textContent = say("looks") + " " + c.looks.length + " · " + say("level") + " 0–1";
  }
  function facts(c) {
    const lines = [
      ["case_id", c.id + " · r" + c.rev], ["status", one(STATUS, c.status)], ["state", one(STATUS, c.state)], ["proposal", c.proposal],
      ["water", c.river], ["chainage", [c.chain, c.bank && say(c.bank)].filter(Boolean).join(" ")], ["place", [c.county, c.township].filter(Boolean).join(" ")],
      ["subtype", c.subtype], ["severity", c.severity], ["budget", c.budget], ["leads", c.leads.join("；")],
      ...c.measured.map(([name, ...n]) => { const [v, low, high] = n.map((x) => x.toLocaleString("en", { maximumFractionDigits: name === "height_m" ? 1 : 0 })); return [name, v + " (" + low + " – " + high + ")"]; }),
      ["area", Math.round(c.area).toLocaleString("en") + " " + say("m2")],
      ["appeared", c.gone && c.first ? say("between", c.gone, c.first) : c.first ? say("upto", c.first) : ""], ["last", c.last],
      ["point", c.pt.map((n) => n.toFixed(5)).join(", ") + " (WGS 84)"], ["why", c.why.join("；")], ["remarks", c.reasons.join("；")],
    ];
    $("facts").replaceChildren(...lines.filter((l) => l[1]).map(([name, value]) => { const tr = el("tr"); el("th", say(name), tr); el("td", value, tr); return tr; }));
  }
  function sheet(c) {
    const box = $("print"), v = Verdicts.of(c);
    box.replaceChildren();
    el("p", D.notice, box);
    if (c.folder && c.pics.length) { const i = el("img", null, box); i.src = c.folder + "/overview.png"; i.alt = c.id; } else box.append($("facts").cloneNode(true));
    const t = el("table", null, box), tr = el("tr", null, t), td = el("tr", null, t);
    for (const [name, value] of [["case_id", c.id], ["by", (v && v.by) || $("by").value], ["on", v ? v.on : ""], ["status", v ? v.verdict : ""], ["reason", v && v.reason ? one(REASONS, v.reason) : ""], ["note", v ? v.note : ""]]) { el("th", say(name), tr); el("td", value || "　", td); }
  }

  // ---- words
  function words() {
    document.documentElement.lang = english ? "en" : "zh-CN";
    for (const e of document.querySelectorAll("[data-word]")) e.textContent = say(e.dataset.word);
    $("language").textContent = english ? "中文" : "English";
    $("notice").textContent = english ? D.notice + " (a lead only, no ground for any penalty)" : D.notice;
    $("run").textContent = $("run").title = D.workflow + " · " + D.period.join(" – ") + " · " + D.run;
    $("search").placeholder = say("search");
    options($("list"), [["", say("all_lists")], ...LISTS.filter((l) => D.cases.some((c) => c.list === l)).map((l) => [l, say(l)])]);
    options($("status"), [["", say("all_status")], ...Object.keys(STATUS).filter((s) => D.cases.some((c) => c.status === s)).map((s) => [s, one(STATUS, s)])]);
    options($("corridor"), [["", say("all_corridors")], ...D.corridors.map((c) => [c.id, c.name])]);
    options($("sort"), ["new", "area", "score", "visit", "chain", "id"].map((s) => [s, say("sort_" + s)]));
    options($("reason"), [["", say("none")], ...Object.keys(REASONS).map((r) => [r, one(REASONS, r)])]);
    options($("kind"), [["", say("same")], ...KINDS.map((k) => [k, say(k)])]);
    $("kinds").replaceChildren(...KINDS.map((k) => {
      const b = el("button", " " + say(k));
      b.prepend(markImage(k, "suspected"));
      b.setAttribute("aria-pressed", String(on.has(k)));
      b.addEventListener("click", () => { if (on.has(k)) on.delete(k); else on.add(k); b.setAttribute("aria-pressed", String(on.has(k))); filter(); });
      return b;
    }));
    $("legend").replaceChildren(...[...KINDS.map((k) => [markImage(k, "suspected"), say(k)]), [markImage("zhan", "watch"), one(STATUS, "watch")], [markImage("zhan", "issued"), one(STATUS, "issued") + "…"]].map(([image, text]) => { const s = el("span"); s.append(image, " " + text); return s; }));
    $("marks").replaceChildren(...CODES.map((k) => { const s = el("span"), i = document.createElementNS(SVG, "svg"); i.setAttribute("width", 14); i.setAttribute("height", 14); SHAPE[k](7, 7, i); s.append(i, " " + say(k)); return s; }));
    $("keys").querySelector("table").replaceChildren(...[["N / P", "k_next"], ["1 2 3 4", "k_verdict"], ["R", "k_reason"], ["M", "k_note"], ["O", "k_draw"], ["E", "k_edit"], ["T", "k_colour"], ["B", "k_flip"], ["G", "k_ground"], ["Z", "k_zoom"], ["/", "k_find"], ["S", "k_save"]].map(([k, w]) => { const tr = el("tr"), td = el("td", null, tr); el("kbd", k, td); el("td", say(w), tr); return tr; }));
    for (const [id, word] of [["side", "side"], ["mapside", "chart"], ["map", "chart"], ["detail", "one"], ["rows", "side"], ["slider", "slide"], ["in", "zoom_in"], ["out", "zoom_out"], ["list", "list_of"], ["status", "by_status"], ["corridor", "by_water"], ["sort", "order"], ["kinds", "kinds"], ["search", "search"], ["verdicts", "verdict"]]) $(id).setAttribute("aria-label", say(word));
    filter(); detail(); count(); offer(); ground();
  }
  function save() {
    if (!$("by").value.trim()) { said = say("needs_by"); fine = false; $("by").focus(); if (current) tell(current); return; }
    const made = Verdicts.csv(D.cases, $("by").value.trim(), today), name = "siluan_verdicts_" + D.run + ".csv";
    if (made.count) { Verdicts.save(name, made.text); Verdicts.wrote(made.written); count(); }
    const parts = made.count ? [say("written", made.count, name)] : made.bad.length ? [] : [say("nothing")];
    if (made.bad.length) parts.push(say("incomplete", made.bad.length, made.bad.slice(0, 3).join(" ")));
    said = parts.join(" · ");
    fine = made.count > 0 && !made.bad.length;
    if (current) tell(current);
  }
  // How many verdicts were not written yet stands on the button that does.
  function count() {
    const n = Verdicts.unwritten(D.cases);
    $("save").textContent = say("download") + (n ? " (" + n + ")" : "");
  }
  // Verdicts of an earlier page that the ledger does not show: taken over, let go, or asked for again.
  function offer() {
    const found = Verdicts.left(byId), box = $("left");
    box.hidden = !found.length;
    if (!found.length) return;
    const fit = found.filter((f) => Verdicts.fits(byId.get(f.id), f.v)), not = found.filter((f) => !fit.includes(f));
    const runs = [...new Set(found.map((f) => f.key.split("-").pop()))].join(" ");
    const lines = [say("undone", found.length, runs)], written = found.filter((f) => f.v.written);
    if (written.length) lines.push(say("undone_written", written.length, day(new Date(Math.max(...written.map((f) => f.v.written))))));
    if (fit.length) lines.push(say("undone_fit", fit.length));
    if (not.length) lines.push(say("undone_not", not.length, not.slice(0, 4).map((f) => f.id).join(" ") + (not.length > 4 ? " …" : "")));
    box.replaceChildren();
    el("span", lines.join(" "), box);
    const act = (word, what, main) => { const b = el("button", say(word), box, main ? "main" : ""); b.addEventListener("click", () => { what(); box.hidden = true; }); };
    if (fit.length) act("undone_take", () => {
      for (const f of fit) Verdicts.adopt(byId.get(f.id), f.v);
      Verdicts.settle(fit);
      said = say("taken", fit.length); fine = true;
      filter(); count(); if (current) { form(current); }
    }, true);
    act("undone_drop", () => Verdicts.settle(found));
    act("later", () => {});
  }
  function key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
    if (Chart.drawing()) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
      if (way) Chart.nudge(...way.map((n) => n * (e.shiftKey ? 1 : 8))); else if (e.key === " ") Chart.put();
      else if (e.key === "Enter") Chart.endSketch(true); else if (e.key === "Escape") Chart.endSketch(false); else if (e.key === "Backspace") Chart.undo(); else return;
      e.preventDefault();
      return;
    }
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) && e.target.type !== "range" && e.target.type !== "checkbox";
    if (e.key === "Escape") { e.target.blur(); return; }
    if (typing) { if (e.key === "Enter") e.target.blur(); return; }
    const does = {
      n: () => step(1), j: () => step(1), ArrowDown: () => step(1), p: () => step(-1), k: () => step(-1), ArrowUp: () => step(-1),
      1: () => judge(0), 2: () => judge(1), 3: () => judge(2), 4: () => judge(3), r: () => $("reason").focus(), m: () => $("note").focus(),
      o: () => startDrawing(false), e: () => startDrawing(true), t: () => $("colour").click(), b: () => $("flip").click(), g: () => $("ground").hidden || $("ground").click(), z: () => current && Chart.show(current, true), s: save, "/": () => $("search").focus(), "?": () => $("help").click(),
    }[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (does) { e.preventDefault(); does(); }
  }

  // ---- start
  Verdicts.open(D.run);
  english = D.language === "en";
  try { $("by").value = localStorage.getItem("siluan-review-by") || ""; } catch (_) { /* no storage */ }
  Chart.setup(D, pick, ground);
  words();
  Chart.fitAll();
  for (const id of ["list", "status", "corridor", "sort", "open"]) $(id).addEventListener("change", filter);
  $("search").addEventListener("input", filter);
  $("rows").addEventListener("scroll", rows);
  $("slider").addEventListener("input", wipe);
  for (const id of ["reason", "kind", "on"]) $(id).addEventListener("change", changed);
  $("note").addEventListener("input", changed);
  $("by").addEventListener("input", () => { try { localStorage.setItem("siluan-review-by", $("by").value); } catch (_) { /* no storage */ } if (current) tell(current); });
  $("form").addEventListener("submit", (e) => e.preventDefault());
  $("colour").addEventListener("click", () => { if (current) { const all = shades(current); shade = next(all, all.includes(shade) ? shade : "true"); pictures(current); } });
  $("ground").addEventListener("click", () => { Chart.date(Chart.date() === "after" ? "before" : "after"); ground(); });
  $("ring").addEventListener("click", () => { rings = !rings; if (current) pictures(current); });
  $("flip").addEventListener("click", () => { $("slider").value = Number($("slider").value) > 50 ? 0 : 100; wipe(); });
  $("draw").addEventListener("click", () => startDrawing(false));
  $("edit").addEventListener("click", () => startDrawing(true));
  $("clear").addEventListener("click", () => { if (current) { Verdicts.drop(current); said = ""; form(current); rows(); count(); Chart.paint(); } });
  $("save").addEventListener("click", save);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("keys").querySelector("button").addEventListener("click", () => $("keys").close());
  $("language").addEventListener("click", () => { english = !english; words(); });
  $("in").addEventListener("click", () => Chart.zoom(2)); $("out").addEventListener("click", () => Chart.zoom(0.5)); $("fit").addEventListener("click", () => Chart.fitAll());
  window.addEventListener("beforeprint", () => { if (current) sheet(current); });
  document.addEventListener("keydown", key);
  const named = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch (_) { return ""; } };
  const linked = () => { const c = byId.get(named()); if (c && c !== current) go(c, true); return Boolean(c); };
  window.addEventListener("hashchange", linked);
  if (!linked() && shown.length) go(shown[0]);
  window.siluanReady = performance.now();
  document.documentElement.dataset.ready = String(Math.round(window.siluanReady));
})();
