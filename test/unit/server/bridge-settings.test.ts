import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import type { BridgeSettings } from "../../../src/bridge/settings.ts";
import type { Transport } from "../../../src/client/transport.ts";
import type { BridgeConfiguration } from "../../../src/options/conf/bridge-configuration.ts";
import { bridgeSettings, bridgeTransport } from "../../../src/server/bridge-settings.ts";
import { configured } from "../../support/served.ts";

describe("what a bridge is told, its names", () => {
  it("are this machine's and the bridge's where there are no others", () => {
    expect(settings("topic a")).toMatchObject({
      name: "north",
      remoteClientId: `${hostname()}.north`,
      localClientId: `local.${hostname()}.north`,
      localUsername: null,
      remoteUsername: undefined,
    });
  });

  it("are those of the configuration", () => {
    const lines = ["remote_clientid far", "local_username me", "remote_username you"];
    expect(settings("topic a", ...lines)).toMatchObject({
      remoteClientId: "far",
      localClientId: "local.far",
      localUsername: "me",
      remoteUsername: "you",
    });
    expect(settings("topic a", "local_clientid near").localClientId).toBe("near");
  });

  it("name the topic of its state, unless there is another or none", () => {
    expect(settings("topic a", "remote_clientid far").notificationTopic).toBe(
      "$SYS/broker/connection/far/state",
    );
    expect(settings("topic a", "notification_topic x").notificationTopic).toBe("x");
    expect(settings("topic a", "notifications false").notificationTopic).toBeNull();
  });
});

describe("what a bridge is told, its topics", () => {
  const LINES = ["topic a out 1 l/ r/", "topic b in 2 l/ r/", "topic c both 0 l/ r/"];

  it("go out from our prefix to the remote's", () => {
    expect(settings(...LINES).outgoing).toEqual([
      { filter: "l/a", prefixFrom: "l/", prefixTo: "r/", qos: 1 },
      { filter: "l/c", prefixFrom: "l/", prefixTo: "r/", qos: 0 },
    ]);
  });

  it("come in from the remote's prefix to ours", () => {
    expect(settings(...LINES).incoming).toEqual([
      { filter: "r/b", prefixFrom: "r/", prefixTo: "l/", qos: 2 },
      { filter: "r/c", prefixFrom: "r/", prefixTo: "l/", qos: 0 },
    ]);
  });

  it("are asked for at the remote in the order of their lines, or given up", () => {
    expect(settings(...LINES).remoteRequests).toEqual([
      { filter: "r/a", qos: 1, wanted: false },
      { filter: "r/b", qos: 2, wanted: true },
      { filter: "r/c", qos: 0, wanted: true },
    ]);
  });

  it("are not given up where that is not to be tried, or another line asks for them", () => {
    const asked = (...lines: readonly string[]) =>
      settings(...lines).remoteRequests.map(({ filter, wanted }) => `${filter} ${wanted}`);
    expect(asked(...LINES, "bridge_attempt_unsubscribe false")).toEqual(["r/b true", "r/c true"]);
    expect(asked("topic a out 1", "topic a in 1")).toEqual(["a true"]);
    expect(asked("topic a in 1 x/ r/", "topic a out 1 y/ r/")).toEqual(["r/a true"]);
  });

  it("are one topic where the pattern is empty", () => {
    const { outgoing, incoming, remoteRequests } = settings('topic "" both 1 here there');
    expect(outgoing).toEqual([{ filter: "here", prefixFrom: "here", prefixTo: "there", qos: 1 }]);
    expect(incoming).toEqual([{ filter: "there", prefixFrom: "there", prefixTo: "here", qos: 1 }]);
    expect(remoteRequests).toEqual([{ filter: "there", qos: 1, wanted: true }]);
  });
});

describe("what a bridge is told, its session at the remote", () => {
  it("lasts for ever, unless it is clean or has a time", () => {
    const of = (...lines: readonly string[]) => settings("topic a", ...lines).sessionExpiryInterval;
    expect(of()).toBe(0xffff_ffff);
    expect(of("cleansession true")).toBe(0);
    expect(of("bridge_session_expiry_interval 60")).toBe(60);
    expect(of("bridge_session_expiry_interval 60", "cleansession true")).toBe(60);
  });

  it("is as clean here as there, unless that is said", () => {
    const of = (...lines: readonly string[]) => {
      const { cleanSession, localCleanSession } = settings("topic a", ...lines);
      return [cleanSession, localCleanSession];
    };
    expect(of()).toEqual([false, false]);
    expect(of("cleansession true")).toEqual([true, true]);
    expect(of("cleansession true", "local_cleansession false")).toEqual([true, false]);
    expect(of("local_cleansession true")).toEqual([false, true]);
  });
});

describe("the way to a bridge's remote", () => {
  it("is plain TCP to the address", () => {
    expect(transport("topic a")).toEqual(
      expect.objectContaining({ host: "there", port: 7, tls: undefined, tcpKeepAlive: undefined }),
    );
  });

  it("begins where the configuration says, and is asked about as it says", () => {
    const lines = ["bridge_bind_address 127.0.0.9", "bridge_tcp_keepalive 30 5 3"];
    expect(transport("topic a", ...lines)).toMatchObject({
      localAddress: "127.0.0.9",
      tcpKeepAlive: 30,
    });
  });

  it("is TLS once there is an authority to trust", () => {
    expect(transport("topic a", "bridge_cafile /ca.pem").tls).toEqual({
      caFile: "/ca.pem",
      minVersion: "TLSv1.2",
      verifyHost: true,
    });
  });

  it("has all that the configuration says of TLS", () => {
    const { tls } = transport(
      "topic a",
      "bridge_cafile /ca.pem",
      "bridge_capath /cas",
      "bridge_certfile /cert.pem",
      "bridge_keyfile /key.pem",
      "bridge_alpn mqtt",
      "bridge_ciphers ECDHE-RSA-AES128-GCM-SHA256",
      "bridge_ciphers_tls1.3 TLS_AES_128_GCM_SHA256",
      "bridge_tls_version tlsv1.3",
      "bridge_insecure true",
    );
    expect(tls).toEqual({
      caFile: "/ca.pem",
      caPath: "/cas",
      certFile: "/cert.pem",
      keyFile: "/key.pem",
      alpn: ["mqtt"],
      ciphers: "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
      minVersion: "TLSv1.3",
      verifyHost: false,
    });
  });

  it("has a pre-shared key in the place of certificates", () => {
    const { tls } = transport("topic a", "bridge_identity me", "bridge_psk 0102ff");
    expect(tls).toMatchObject({ psk: { identity: "me", key: Buffer.of(1, 2, 255) } });
  });
});

function configuration(...lines: readonly string[]): BridgeConfiguration {
  return configured("connection north", "address there:7", ...lines).bridges[0]!;
}

function settings(...lines: readonly string[]): BridgeSettings {
  return bridgeSettings(configuration(...lines));
}

function transport(...lines: readonly string[]): Transport {
  const bridge = configuration(...lines);
  return bridgeTransport(bridge, bridge.addresses[0]!);
}
