/** The commands of dynamic security that are about the whole of it (mosquitto-2.1 e.1). */
import { CommandError } from "./arguments.ts";
import type { Command } from "./context.ts";
import { DEFAULT_ACCESS_TYPES } from "./directory.ts";
import { json, list, text } from "./listing.ts";

export const GENERAL_COMMANDS: Readonly<Record<string, Command>> = {
  setDefaultACLAccess(context, args) {
    const entries = args.entries("acls");
    if (entries === undefined) throw new CommandError("Missing/invalid actions array");
    for (const entry of entries) {
      const [called, allow] = [entry.string("acltype"), entry.boolean("allow")];
      if (called === undefined || allow === undefined) continue;
      for (const [type, wish] of Object.entries(DEFAULT_ACCESS_TYPES)) {
        const isMeant = type.toLowerCase() === called.toLowerCase();
        if (isMeant) context.directory.defaultAccess.set(wish, allow);
      }
      context.log(["acltype", called], ["allow", allow]);
    }
    context.change();
    return undefined;
  },

  getDefaultACLAccess(context) {
    context.log();
    const acls = Object.entries(DEFAULT_ACCESS_TYPES).map(([type, wish]) => {
      const allow = context.directory.defaultAccess.get(wish) === true;
      return json({ acltype: text(type), allow: String(allow) });
    });
    return json({ acls: list(acls) });
  },

  getDetails(context) {
    context.log();
    const { clients, groups, roles, changeIndex } = context.directory;
    return json({
      clientCount: String(clients.size),
      groupCount: String(groups.size),
      roleCount: String(roles.size),
      changeIndex: String(changeIndex),
    });
  },
};
