// Every word of guards, at its type.

import { type Change, config, deny, guard, serversNow, warn } from "../weir/guard.js";

const by = ({ origin, reason }: Change): string =>
  `${origin.tag === "plugin" ? origin.val : "an operator"}: ${reason}`;

export const guarding = guard((change) => {
  for (const { config: service, realServers } of change.outcome) {
    const before = serversNow(service.key).filter((it) => it.config.weight > 0).length;
    const after = realServers.filter((it) => it.weight > 0).length;
    if (after === 0 && before > 0) return deny(`nobody would be left, ${by(change)}`);
    if (after < config().wanted) return warn(`${after} would be left, ${by(change)}`);
  }
});
