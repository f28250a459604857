// Drains a real server that is down, and gives its weight back when it is up.

import { clear, drain, policy } from "../weir/policy.js";

export const reactor = policy({
  health({ server, after, detail }) {
    if (after === "down") drain(server, detail);
    else if (after === "up") clear(server);
  },
});
