/**
 * Birth certificates of Sparkplug: what its nodes and devices publish once, when they come up, is
 * kept as a retained message of a topic of its own, so that whoever comes later finds it
 * (mosquitto-2.1 e.4; Sparkplug 3.0, "Sparkplug aware" servers).
 */
import type { Broker } from "./broker.ts";
import { distribute } from "./fan-out.ts";
import { Message } from "./message.ts";

const BIRTH = /^spBv1\.0\/[^/]*\/(?:NBIRTH\/[^/]*|DBIRTH\/[^/]*\/[^/]*)$/;

/** Whether messages of `topic` are birth certificates. */
export function isCertificate(topic: string): boolean {
  return BIRTH.test(topic);
}

/** Publishes `message` once more, retained, where certificates are kept. Others are left alone. */
export function keepCertificate(broker: Broker, message: Message): void {
  if (!broker.settings.sparkplugAware || !isCertificate(message.topic.name)) return;
  const route = broker.router.route(`$sparkplug/certificates/${message.topic.name}`);
  const { bytes, start, end, qos, source, properties, expiresAt } = message;
  const copy = new Message(route, bytes, start, end, qos, true, source, properties, expiresAt, 0);
  broker.retain(copy);
  distribute(broker, copy, route);
}
