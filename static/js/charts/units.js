// How figures are said and which steps their axes take.
const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const STEPS = [1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512];
const BYTE_STEPS = [...STEPS.map((n) => n * MIB), ...[1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 2000, 5000].map((n) => n * GIB)];
const RATE_STEPS = [1, KIB, MIB, GIB].flatMap((unit) => STEPS.map((n) => n * unit));

// The same units as Django's filesizeformat.
export function bytes(value, digits = 1) {
  if (value >= GIB) return `${(value / GIB).toFixed(digits)} GB`;
  return `${(value / MIB).toFixed(0)} MB`;
}

function rate(value) {
  if (value >= MIB) return `${(value / MIB).toFixed(1)} MB/s`;
  if (value >= KIB) return `${(value / KIB).toFixed(1)} kB/s`;
  return `${value.toFixed(0)} B/s`;
}

function milliseconds(value) {
  if (value >= 10000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 || value === 0 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
}

const count = (value) => (Number.isInteger(value) ? `${value}` : value.toFixed(1));

// By unit: how a value is said, how a tick is, which steps an axis may take, and what its top is at least.
const UNITS = {
  percent: { say: (value) => `${value.toFixed(value && value < 10 ? 1 : 0)} %`, tick: (value) => `${value} %`, least: 1 },
  number: { say: (value) => value.toFixed(2), tick: String, least: 1 },
  count: { say: count, tick: String, steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000], least: 4 },
  bytes: { say: bytes, tick: (value) => (value ? bytes(value, value % GIB ? 1 : 0) : "0"), steps: BYTE_STEPS, least: 16 * MIB },
  rate: { say: rate, tick: (value) => (value ? rate(value).replace(".0 ", " ") : "0"), steps: RATE_STEPS, least: KIB },
  milliseconds: { say: milliseconds, tick: (value) => (value ? milliseconds(value).replace(".0 ", " ") : "0"), least: 10 },
};

export const unitOf = (name) => UNITS[name];
export const say = (unit, value) => (value == null ? "—" : UNITS[unit].say(value));
