// Find the Linux program of an installed package and move what belongs to it: `find_program.cjs NAME MODULES TARGET`.
//
// The package lands in TARGET/package, and TARGET/run links to the program in it. The program is what the package declares in `bin`;
// where that is a script, as in a package that only chooses among platforms, it is the `bin` of the one among its
// `optionalDependencies` that npm installed for this machine.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [name, modules, target] = process.argv.slice(2);
const ELF = "\x7fELF";

function manifest(of) {
  const file = path.join(modules, of, "package.json");
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : undefined;
}

function isProgram(file) {
  const start = Buffer.alloc(ELF.length);
  const descriptor = fs.openSync(file, "r");
  fs.readSync(descriptor, start);
  fs.closeSync(descriptor);
  return start.toString("latin1") === ELF;
}

function programs(of) {
  const { bin } = manifest(of);
  const declared = new Set((typeof bin === "string" ? [bin] : Object.values(bin ?? {})).map((file) => path.normalize(file)));
  return [...declared].filter((file) => fs.existsSync(path.join(modules, of, file)) && isProgram(path.join(modules, of, file)));
}

const platforms = Object.keys(manifest(name).optionalDependencies ?? {}).filter((other) => manifest(other) !== undefined);
const found = [name, ...platforms].flatMap((of) => programs(of).map((file) => ({ of, file })));
const own = found.filter(({ of }) => of === name);
const chosen = own.length > 0 ? own : found;

if (chosen.length === 0) {
  console.error(`The package ${name} brings no program for Linux on this processor, neither itself nor for its platform.`);
  process.exit(1);
}
if (chosen.length > 1) {
  console.error(`The package ${name} has several programs: ${chosen.map(({ of, file }) => `${of}/${file}`).join(", ")}.`);
  process.exit(1);
}
const [{ of, file }] = chosen;
fs.mkdirSync(target, { recursive: true });
fs.renameSync(path.join(modules, of), path.join(target, "package"));
fs.chmodSync(path.join(target, "package", file), 0o755);
fs.symlinkSync(path.join("package", file), path.join(target, "run"));
