// How times are shown: of this place, of UTC, or not at all.
const two = (number) => String(number).padStart(2, "0");
const three = (number) => String(number).padStart(3, "0");

const PARTS = {
  local: (at) => [at.getFullYear(), at.getMonth() + 1, at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds(), at.getMilliseconds()],
  utc: (at) => [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds()],
};

// `micro` is in microseconds since 1970.
export function clock(micro, zone) {
  const [, month, day, hours, minutes, seconds, milliseconds] = PARTS[zone](new Date(micro / 1000));
  return `${two(month)}-${two(day)} ${two(hours)}:${two(minutes)}:${two(seconds)}.${three(milliseconds)}`;
}

export function full(micro, zone) {
  const at = new Date(micro / 1000);
  if (zone === "utc") return at.toISOString();
  const offset = -at.getTimezoneOffset();
  const [year, ...rest] = PARTS.local(at);
  const sign = offset < 0 ? "-" : "+";
  const away = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${year}-${two(rest[0])}-${two(rest[1])}T${two(rest[2])}:${two(rest[3])}:${two(rest[4])}.${three(rest[5])}${away}`;
}
