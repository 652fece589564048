/** Who answers on a port that is not MQTT's, as far as the first bytes tell. */
import { describe, expect, it } from "vitest";
import { otherProtocolIn } from "../../../src/client/first-bytes.ts";
import { ClientPair } from "../../support/client-pair.ts";
import { hex } from "../../support/hex.ts";

const HTTP = Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n");
const ALERT = hex`15 0303 0002 02 46`;

describe("the first bytes of an answer", () => {
  it.each([
    ["an alert of TLS 1.0", hex`15 0301 0002 02 46`, "TLS"],
    ["an alert of TLS 1.2 and 1.3", ALERT, "TLS"],
    ["an answer of HTTP", HTTP, "HTTP"],
    ["a CONNACK", hex`20 02 00 00`, undefined],
    ["no TLS that there is", hex`15 0305 0002`, undefined],
    ["something else of HTTP's letters", Buffer.from("HTTPS"), undefined],
    ["SSH", Buffer.from("SSH-2.0"), undefined],
    ["nothing", Buffer.alloc(0), undefined],
  ])("are %s", (_, bytes, name) => {
    expect(otherProtocolIn(bytes)).toBe(name);
  });

  it.each([
    [ALERT, "what answers on this port speaks TLS"],
    [HTTP, "what answers on this port speaks HTTP"],
  ])("end the attempt with notMqtt", (bytes, message) => {
    const pair = new ClientPair({}).open();
    pair.receive(bytes);
    expect(pair.ended).toMatchObject([{ code: "notMqtt", message }]);
    expect(pair.link.state).toBe("destroyed");
  });

  it.each([ALERT, HTTP])("end it wherever they are cut", (bytes) => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const pair = new ClientPair({}).open();
      pair.receive(bytes.subarray(0, cut), bytes.subarray(cut));
      expect(["notMqtt", "serverError"], `cut at ${cut}`).toContain(pair.ended[0]?.code);
      expect(pair.ended).toHaveLength(1);
    }
  });

  it("are the server's own error once it has accepted the connection", () => {
    const pair = new ClientPair({}).open();
    pair.receive(hex`20 03 00 00 00`, Buffer.concat([HTTP, Buffer.alloc(99)]));
    expect(pair.ended).toMatchObject([{ code: "serverError" }]);
  });
});
