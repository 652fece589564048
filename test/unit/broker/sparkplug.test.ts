/** Birth certificates of Sparkplug are kept (mosquitto-2.1 e.4). */
import { describe, expect, it } from "vitest";
import { isCertificate } from "../../../src/broker/sparkplug.ts";
import { BrokerWorld } from "../../support/broker-world.ts";

const NODE = "spBv1.0/plant/NBIRTH/edge";
const DEVICE = "spBv1.0/plant/DBIRTH/edge/pump";

describe("a birth certificate", () => {
  it.each([NODE, DEVICE, "spBv1.0//NBIRTH/", "spBv1.0/a/DBIRTH//"])("is %s", (topic) => {
    expect(isCertificate(topic)).toBe(true);
  });

  it.each([
    "spBv1.0/plant/NBIRTH",
    "spBv1.0/plant/NBIRTH/edge/pump",
    "spBv1.0/plant/DBIRTH/edge",
    "spBv1.0/plant/NDATA/edge",
    "spAv1.0/plant/NBIRTH/edge",
    "x/spBv1.0/plant/NBIRTH/edge",
  ])("is not %s", (topic) => expect(isCertificate(topic)).toBe(false));

  it.each([0, 1, 2] as const)("at QoS %i is there for whoever comes later", (qos) => {
    const world = new BrokerWorld({ settings: { sparkplugAware: true } });
    const live = world.client();
    live.subscribe("spBv1.0/#");
    live.subscribe("$sparkplug/certificates/#");
    const node = world.client({ properties: {} });
    for (const topic of [NODE, DEVICE]) {
      node.publish(topic, "born", { qos, packetId: 1 });
      if (qos === 2) node.pubrel(1);
    }
    expect(live.takePublishes().map(({ topic }) => topic)).toEqual([
      NODE,
      `$sparkplug/certificates/${NODE}`,
      DEVICE,
      `$sparkplug/certificates/${DEVICE}`,
    ]);
    const late = world.client();
    late.subscribe("spBv1.0/#");
    late.subscribe("$sparkplug/certificates/#");
    const kept = late.takePublishes();
    expect(kept.map(({ topic, retain, payload }) => [topic, retain, `${payload}`]).sort()).toEqual([
      [`$sparkplug/certificates/${DEVICE}`, true, "born"],
      [`$sparkplug/certificates/${NODE}`, true, "born"],
    ]);
  });

  it("gives way to the next of its node", () => {
    const world = new BrokerWorld({ settings: { sparkplugAware: true } });
    const node = world.client();
    for (const payload of ["first", "second"]) node.publish(NODE, payload);
    const late = world.client();
    late.subscribe("$sparkplug/certificates/#");
    expect(late.takePayloads()).toEqual(["second"]);
  });

  it("is like any message where the plugin is not asked for", () => {
    const world = new BrokerWorld();
    world.client().publish(NODE, "born");
    const late = world.client();
    late.subscribe("$sparkplug/#");
    expect(late.take()).toEqual([]);
  });
});
