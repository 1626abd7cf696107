// Link the command of an installed package to a fixed path: `link_command.cjs NAME PREFIX TARGET`.
//
// The command is chosen as `npx` does: the only one that the package declares in `bin`, else the one named like it.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [name, prefix, target] = process.argv.slice(2);
const root = path.join(prefix, "node_modules", name);
const { bin } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const unscoped = name.split("/").pop();
const commands = typeof bin === "string" ? { [unscoped]: bin } : (bin ?? {});
const files = new Set(Object.values(commands).map((file) => path.normalize(file)));
const chosen = files.size === 1 ? [...files][0] : commands[unscoped];

if (files.size === 0) {
  console.error(`The package ${name} has no command to run: it declares no bin.`);
  process.exit(1);
}
if (chosen === undefined) {
  console.error(`The package ${name} has several commands and none is named like it: ${Object.keys(commands).join(", ")}.`);
  process.exit(1);
}
const file = path.join(root, chosen);
fs.chmodSync(file, 0o755);
fs.symlinkSync(file, target);
