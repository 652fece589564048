/** `$CONTROL/broker/v1`: what listens and which plugins there are (mosquitto-2.1 b.1, d.2). */
import { utf8Bytes } from "../core/base/json-layout.ts";
import { answerTo, commandNames, isAsked, readCommands, responseOf } from "./control-requests.ts";
import type { ControlEndpoint, Identity } from "./world.ts";

/** What can be asked, as JSON has it. */
export interface BrokerFacts {
  plugins(): readonly object[];
  listeners(): readonly object[];
}

const NAMES = commandNames(["listPlugins", "listListeners"]);

export class BrokerControl implements ControlEndpoint {
  readonly topic = "$CONTROL/broker/v1";
  private readonly facts: BrokerFacts;

  constructor(facts: BrokerFacts) {
    this.facts = facts;
  }

  onRequest(payload: Buffer, _identity: Identity, reply: (payload: Buffer) => void): void {
    const answers = readCommands(payload, NAMES).map((command) =>
      isAsked(command)
        ? answerTo(command, undefined, utf8Bytes(JSON.stringify(this.dataFor(command.name))))
        : answerTo(command, command.error),
    );
    reply(responseOf(answers));
  }

  private dataFor(name: string): object {
    return name === "listPlugins"
      ? { plugins: this.facts.plugins() }
      : { listeners: this.facts.listeners() };
  }
}
