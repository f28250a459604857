// Has the host keep the number that its settings name, and says what came back.

import { config, log, policy } from "../weir/policy.js";
import { recall, remember } from "../weir/state.js";

const NUMBERS = { large: 2 ** 60, none: NaN, infinite: -Infinity };

export const reactor = policy({
  start() {
    const number = NUMBERS[config().number];
    remember("it", { of: [number] });
    log(String(recall("it").of[0] === number));
  },
});
