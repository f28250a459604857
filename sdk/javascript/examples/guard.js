// Refuses changes that leave a service with no real server to spare.

import { config, deny, guard, serversNow } from "../weir/guard.js";

export const guarding = guard(({ outcome }) => {
  // Real servers that carry the load of a service.
  const { needed = 1 } = config();
  for (const service of outcome) {
    const before = serving(serversNow(service.config.key).map((it) => it.config));
    const after = serving(service.realServers);
    if (after < before && after <= needed) {
      return deny(`${after} real servers would be left, and ${needed + 1} are wanted`);
    }
  }
});

const serving = (servers) => servers.filter((it) => it.weight > 0).length;
