// Guards in JavaScript: a planned change comes in, a verdict goes out.
//
// `export const guarding = guard((change) => verdict)` is one: its function returns nothing to
// let the change go on, or `deny("why")`, or `warn("why")`. If it throws, the guard counts as
// broken.

import host from "weir:host/config@0.1.0";
import log from "weir:host/log@0.1.0";
import table from "weir:ipvs/table@0.1.0";

import { described } from "./failure.js";

export function guard(judge) {
  return {
    judge(review) {
      try {
        return judge(review) ?? { tag: "allow" };
      } catch (error) {
        // A guard has no way to say that it failed but to trap.
        log.write("error", described(error), []);
        throw error;
      }
    },
  };
}

export const deny = (message) => ({ tag: "deny", val: { code: "denied", message } });

export const warn = (message) => ({ tag: "warn", val: message });

export const config = () => JSON.parse(host.get());

/** The real servers that a service has now; none if the grant does not show it. */
export function serversNow(key) {
  const snapshot = table.current();
  const number = snapshot.find(key);
  const found = number === undefined || number === null ? [] : snapshot.realServers(number);
  snapshot[Symbol.dispose]?.();
  return found;
}
