/**
 * One conversion of strftime(3), in local time and the C locale, for ts-sub's -F and log lines.
 *
 * The moment is handed in; only the time zone is the process's own. What glibc does not know it
 * prints as it stands, and so do we.
 *
 * Does not: flags, widths and the E and O modifiers, which `@c` with its one letter cannot carry.
 */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAY_MS = 86_400_000;

type Conversion = (date: Date) => string;

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  "%": () => "%",
  A: (date) => DAYS[date.getDay()]!,
  B: (date) => MONTHS[date.getMonth()]!,
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  D: (date) => `${all(date, "mdy", "/")}`,
  F: (date) => all(date, "Ymd", "-"),
  G: (date) => String(isoWeek(date).year),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(hour12(date)),
  M: (date) => pad(date.getMinutes()),
  P: (date) => (date.getHours() < 12 ? "am" : "pm"),
  R: (date) => all(date, "HM", ":"),
  S: (date) => pad(date.getSeconds()),
  T: (date) => all(date, "HMS", ":"),
  U: (date) => pad(Math.floor((dayOfYear(date) + 6 - date.getDay()) / 7)),
  V: (date) => pad(isoWeek(date).week),
  W: (date) => pad(Math.floor((dayOfYear(date) + 6 - ((date.getDay() + 6) % 7)) / 7)),
  X: (date) => all(date, "HMS", ":"),
  Y: (date) => String(date.getFullYear()),
  Z: zoneName,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  c: (date) => all(date, "abeTY", " "),
  d: (date) => pad(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  g: (date) => pad(isoWeek(date).year % 100),
  h: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  j: (date) => String(dayOfYear(date)).padStart(3, "0"),
  k: (date) => String(date.getHours()).padStart(2),
  l: (date) => String(hour12(date)).padStart(2),
  m: (date) => pad(date.getMonth() + 1),
  n: () => "\n",
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  r: (date) => `${all(date, "IMS", ":")} ${date.getHours() < 12 ? "AM" : "PM"}`,
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  t: () => "\t",
  u: (date) => String(date.getDay() || 7),
  w: (date) => String(date.getDay()),
  x: (date) => all(date, "mdy", "/"),
  y: (date) => pad(date.getFullYear() % 100),
  z: zoneOffset,
};

/** What strftime makes of `%` and `letter`, as a function of the moment. */
export function compileStrftime(letter: string): Conversion {
  const conversion = Object.hasOwn(CONVERSIONS, letter) ? CONVERSIONS[letter] : undefined;
  if (conversion !== undefined) return conversion;
  // glibc takes a digit for a width, finds no conversion, and pads what it copies to that width.
  const width = /^[2-9]$/.test(letter) ? Number(letter) : 0;
  const copied = `%${letter}`.padStart(width);
  return () => copied;
}

/** `YYYY-MM-DDThh:mm:ss`, in local time: the head of %I and of JSON's tst. */
export function isoLocal(date: Date): string {
  return `${all(date, "Ymd", "-")}T${all(date, "HMS", ":")}`;
}

/** `±hhmm`: local time's distance from UTC at `date`. */
export function zoneOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(Math.floor(size % 60))}`;
}

function all(date: Date, letters: string, separator: string): string {
  return Array.from(letters, (letter) => CONVERSIONS[letter]!(date)).join(separator);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

function hour12(date: Date): number {
  return date.getHours() % 12 || 12;
}

/** 1 on the first of January. */
function dayOfYear(date: Date): number {
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MS) + 1;
}

/** ISO 8601: a week belongs to the year its Thursday is in. */
function isoWeek(date: Date): { year: number; week: number } {
  const sinceMonday = (date.getDay() + 6) % 7;
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() - sinceMonday + 3);
  return { year: thursday.getFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 };
}

/** The zone's abbreviation. Intl spells only some out, each in the English of where it is used. */
function zoneName(date: Date): string {
  for (const locale of ["en-US", "en-GB", "en-AU", "en-ZA", "en-IN", "en-NZ"]) {
    const name = zonePart(locale, date);
    if (!/^(GMT|UTC)[+-]/.test(name)) return name;
  }
  // Zones without letters are named by their offset in the zone database, too: "+05", "-0330".
  return zoneOffset(date).replace(/00$/, "");
}

function zonePart(locale: string, date: Date): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZoneName: "short" }).formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}
