/** What programs are told of listeners and plugins, over HTTP and by `$CONTROL/broker/v1`. */
import type { ListenerConfiguration } from "../options/conf/configuration.ts";
import { BUILT_IN } from "../options/conf/plugin-directives.ts";
import type { Plugin } from "../options/conf/plugin-lines.ts";

/** As `/api/v1/listeners` has it (mosquitto-2.1 f). */
export function listenerFacts(listener: ListenerConfiguration): object {
  const { path, port, protocol, tls, allowAnonymous } = listener;
  return {
    ...(path === undefined ? { port } : { path }),
    protocol: protocol === "http_api" ? "httpapi" : protocol,
    tls: tls !== null,
    mtls: tls?.requires === true,
    allow_anonymous: allowAnonymous,
  };
}

/** A plugin by its name in answers, such as dynamic-security, and where it can be asked. */
export function pluginFacts({ kind }: Pick<Plugin, "kind">): object {
  const name = BUILT_IN[kind].file.replace(/^mosquitto_/, "").replaceAll("_", "-");
  return { name, ...(kind === "dynamicSecurity" && { "control-endpoints": [ENDPOINT] }) };
}

const ENDPOINT = "$CONTROL/dynamic-security/v1";
