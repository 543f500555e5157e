"use strict";
// The verdicts of the page without a browser: which of what this browser keeps is offered again.
// From stdin {cases, kept: {run: {case: verdict}}, run}; gives the ids that are.
const fs = require("fs"), said = JSON.parse(fs.readFileSync(0, "utf8"));
const kept = Object.entries(said.kept).map(([run, all]) => ["siluan-review-run-" + run, JSON.stringify(all)]);
global.localStorage = {
  length: kept.length,
  key: (i) => kept[i][0],
  getItem: (name) => (kept.find((k) => k[0] === name) || [name, null])[1],
  setItem: () => undefined,
};
const Verdicts = new Function(fs.readFileSync(process.argv[2], "utf8") + "\nreturn Verdicts;")();
Verdicts.open(said.run);
const cases = new Map(said.cases.map((c) => [c.id, c]));
console.log(JSON.stringify(Verdicts.left(cases).map((f) => f.id)));
