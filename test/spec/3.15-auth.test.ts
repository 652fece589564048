/** MQTT 5.0 §3.15 and §4.12: AUTH. No authentication method is known. */
import { describe, expect, it } from "vitest";
import { BrokerWorld } from "../support/broker-world.ts";

const METHOD = { authenticationMethod: "SCRAM-SHA-1" };

describe("AUTH", () => {
  it.each([0xf1, 0xf2, 0xf8])(
    "[MQTT5-3.15.1-1] with flags set ends the connection (%i)",
    (head) => {
      const peer = new BrokerWorld().client();
      peer.send(Buffer.from([head, 0]));
      expect([peer.takeHex(), peer.closed]).toEqual([["e00181"], true]);
    },
  );

  it("[MQTT5-3.15.2-1] with a code that is not one of its own ends the connection", () => {
    const peer = new BrokerWorld().client();
    peer.send("f0 02 17 00");
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
  });

  it("[MQTT5-4.12.0-7] from a client that named no method is a protocol error", () => {
    for (const reasonCode of [0x18, 0x19]) {
      const peer = new BrokerWorld().client();
      peer.auth(reasonCode, METHOD);
      expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
    }
  });

  it("[MQTT5-4.12.1-2] asking to authenticate again fails, and closes after DISCONNECT", () => {
    const peer = new BrokerWorld().client();
    peer.auth(0x19, { ...METHOD, authenticationData: Buffer.from("n,,n=user") });
    expect([peer.takeHex(), peer.closed]).toEqual([["e00182"], true]);
  });

  it("before CONNECT is not even read", () => {
    const peer = new BrokerWorld().peer();
    peer.send("f0 00");
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });

  it("before MQTT 5.0 ends the connection", () => {
    const peer = new BrokerWorld().client({ version: 4 });
    peer.send("f0 00");
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });
});

describe("An Authentication Method", () => {
  it("[MQTT5-4.12.0-1] [MQTT5-4.12.0-4] that is unknown is refused with CONNACK 0x8C", () => {
    const peer = new BrokerWorld().peer();
    peer.connect({ properties: METHOD });
    expect(peer.connack).toMatchObject({ reasonCode: 0x8c, sessionPresent: false });
    expect([peer.takeHex(), peer.closed]).toEqual([[], true]);
  });

  it("[MQTT5-4.12.0-6] that was not named is in no CONNACK, and no AUTH comes", () => {
    const peer = new BrokerWorld().client();
    expect(peer.connack?.properties.authenticationMethod).toBeUndefined();
    expect(peer.connack?.properties.authenticationData).toBeUndefined();
    expect(peer.takeHex()).toEqual([]);
  });
});
