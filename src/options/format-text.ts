/** What man pages say of the language of -F. Loaded only to print. */
import type { FieldLetter } from "./format.ts";

/** Paragraphs. */
export const FORMAT_TEXT: readonly string[] = [
  [
    "The format of the -F option is printed for each message, with a newline behind it unless -N",
    "says otherwise. What begins with %, @ or a backslash stands for something else, everything",
    "else for itself. A format that cannot be understood is refused before anything is sent.",
  ].join(" "),
  [
    "Between % and the letter may stand, in this order, - to fill up at the right, 0 to fill up",
    "with zeros, a width, and a precision behind a point. A text is cut to its precision. The",
    "width of %p and %x cuts the payload, too. With %x and %X the precision is the number of",
    "digits in a group, and what stands behind it comes between groups, else a space: %.2:x prints",
    "68:65:79. Neither is there for %D, %P, %j, %J, %q, %r and %U.",
  ].join(" "),
  [
    "A property that a message does not have is empty, and as wide as the width; MQTT 5.0 alone",
    "has properties.",
  ].join(" "),
];

export const FIELD_TEXTS: Readonly<Record<`%${FieldLetter}`, string>> = {
  "%t": "The topic.",
  "%p": "The payload, byte for byte.",
  "%x": "The payload in hexadecimal digits.",
  "%X": "The payload in hexadecimal digits, with large letters.",
  "%l": "The length of the payload in bytes.",
  "%f": "The payload of four bytes as a floating point number, its lowest byte first.",
  "%d": "The payload of eight bytes as a floating point number, in the same way.",
  "%q": "The quality of service: 0, 1 or 2.",
  "%r": "The retain flag: 0 or 1.",
  "%m": "The packet identifier, 0 with QoS 0.",
  "%j": "The message as JSON, its payload as a string.",
  "%J": "The message as JSON, its payload as JSON. Nothing if the payload is none.",
  "%I": "The time as ISO 8601: 2026-11-22T17:43:54+0100.",
  "%U": "The time in seconds since 1970, with nine digits behind the point.",
  "%A": "The topic alias.",
  "%C": "The content type.",
  "%D": "The correlation data, byte for byte.",
  "%E": "The message expiry interval in seconds.",
  "%F": "The payload format indicator: 1 for text.",
  "%P": "The user properties as NAME:VALUE, with spaces between them.",
  "%R": "The response topic.",
  "%S": "The subscription identifier, the first of several.",
  "%%": "A percent sign.",
};

export const OTHER_TEXTS: Readonly<Record<string, string>> = {
  "@c": "What strftime(3) makes of %c in local time, for any letter c: @H:@M:@S.",
  "@N": "The nanoseconds of the second, nine digits.",
  "@@": "An at sign.",
  "\\\\ \\0 \\a \\e \\n \\r \\t \\v":
    "A backslash, NUL, bell, escape, newline, return, tab and vertical tab.",
};
