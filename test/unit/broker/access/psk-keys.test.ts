import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PskFileError, readPskFile } from "../../../../src/broker/access/psk-keys.ts";

const read = (text: string) =>
  [...readPskFile(text, "keys")].map(([identity, key]) => `${identity}=${key.toString("hex")}`);

describe("readPskFile", () => {
  it("reads identities and keys as mosquitto does", () => {
    const text = "# me:00\nme:00fF\r\n you : 1 \n\nno colon\nü:102";
    expect(read(text)).toEqual(["me=00ff", "you=01", "ü=0102"]);
    expect(read("")).toEqual([]);
  });

  it.each([
    [":01", "Error: Invalid line in psk file 'keys' (identity '')."],
    ["me:", "Error: Invalid line in psk file 'keys' (identity 'me')."],
    ["me:0x01", 'Error: psk for identity "me" contains non-hexadecimal characters.'],
    ["me:01:02", 'Error: psk for identity "me" contains non-hexadecimal characters.'],
    ["me:01\nme:02", "Error: Duplicate identity 'me' in psk file 'keys'."],
    [`me:${"0".repeat(514)}`, 'Error: psk for identity "me" is longer than 256 bytes.'],
  ])("refuses %j", (text, sentence) => {
    expect(() => readPskFile(text, "keys")).toThrow(new PskFileError(sentence));
  });

  it("takes the longest key", () => {
    expect(readPskFile(`me:${"ab".repeat(256)}`, "keys").get("me")).toHaveLength(256);
  });

  it("makes of any text keys or one sentence", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          read(text);
        } catch (error) {
          expect(error).toBeInstanceOf(PskFileError);
        }
      }),
      { seed: 1 },
    );
  });
});
