// Writes what the package registry says of a package: {name, version, versions, description, license, homepage}, or {missing: true},
// or {problem: "a sentence"}. Arguments: the package's name, the file to write.
"use strict";
const { spawnSync } = require("node:child_process");
const { writeFileSync } = require("node:fs");

const [name, target] = process.argv.slice(2);
const FIELDS = ["name", "version", "versions", "description", "license", "homepage"];

function ask() {
  const command = ["view", "--json", "--no-update-notifier", "--fetch-retries=1", "--cache=/tmp/npm", "--", name, ...FIELDS];
  const told = spawnSync("npm", command, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024, timeout: 45_000 });
  if (told.error) return { problem: `npm did not answer: ${told.error.code || told.error.message}` };
  let said;
  try {
    said = JSON.parse(told.stdout);
  } catch {
    return { problem: told.stderr.trim().slice(-500) || "npm said nothing" };
  }
  const error = said && said.error;
  if (error) return error.code === "E404" ? { missing: true } : { problem: `${error.code}: ${error.summary}` };
  const found = Array.isArray(said) ? said[said.length - 1] : said;
  const versions = [].concat(found.versions || found.version).reverse();
  return { ...found, versions };
}

writeFileSync(target, JSON.stringify(ask()));
