/** What `$CONTROL/broker/v1` answers (mosquitto-2.1 b.1, d.2). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BrokerControl } from "../../../src/broker/broker-control.ts";

const SOMEBODY = { clientId: "c", username: null, port: 1883 };

function ask(payload: string | Buffer): string {
  const control = new BrokerControl({
    plugins: () => [{ name: "dynamic-security", "control-endpoints": ["$CONTROL/x/v1"] }],
    listeners: () => [{ port: 1883, protocol: "mqtt", tls: false }, { path: "/run/ü" }],
  });
  let answer = "";
  control.onRequest(Buffer.from(payload as string), SOMEBODY, (bytes) => {
    answer = bytes.toString();
  });
  return answer;
}

const PLUGINS = '{"plugins":[{"name":"dynamic-security","control-endpoints":["$CONTROL/x/v1"]}]}';
const LISTENERS = '{"listeners":[{"port":1883,"protocol":"mqtt","tls":false},{"path":"/run/ü"}]}';

const request = (...commands: readonly string[]) => `{"commands":[${commands.join(",")}]}`;
const responses = (...answers: readonly string[]) => `{"responses":[${answers.join(",")}]}`;
const error = (name: string, words: string) => `{"command":"${name}","error":"${words}"}`;

describe("a request about the broker", () => {
  it.each([
    [
      request('{"command":"listPlugins"}'),
      responses(`{"command":"listPlugins","data":${PLUGINS}}`),
    ],
    [
      request('{"command":"listlisteners","correlationData":"é"}'),
      responses(`{"command":"listListeners","data":${LISTENERS},"correlationData":"é"}`),
    ],
    [
      request('{"command":"stop"}', '{"command":1}', "2"),
      responses(
        error("stop", "Unknown command"),
        error("Unknown command", "Missing command"),
        error("Unknown command", "Command not an object"),
      ),
    ],
    [
      request('{"command":"listPlugins","correlationData":3}', '{"command":"listPlugins"}'),
      responses(error("listPlugins", "Invalid correlationData data type.")),
    ],
    ["{", responses(error("Unknown command", "Payload not valid JSON"))],
    ["[]", responses(error("Unknown command", "Invalid/missing commands"))],
    [request(), responses()],
  ])("is answered: %s", (asked, answer) => expect(ask(asked)).toBe(answer));

  it("is answered whatever it is", () => {
    const bytes = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(`{"commands":[${text}]}`)),
      fc.uint8Array().map((array) => Buffer.from(array)),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        expect(JSON.parse(ask(payload))).toHaveProperty("responses");
      }),
      { seed: 1 },
    );
  });
});
