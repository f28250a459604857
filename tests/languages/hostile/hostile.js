// Does on each event what its settings say, and should not be done.

import { config, labels, policy } from "../weir/policy.js";

export const reactor = policy({
  start() {
    if (config().do === "init") throw new Error("not today");
  },
  health({ server }) {
    switch (config().do) {
      case "loop":
        for (;;);
      case "recurse":
        return descend(0);
      case "grow":
        for (const held = []; ; ) held.push(new Uint8Array(1 << 20).fill(1));
      case "trap":
        return undefined.weight;
      default:
        throw new Error(`nothing is right in ${labels(server).zone}`);
    }
  },
});

const descend = (depth) => descend(depth + 1) + 1;
