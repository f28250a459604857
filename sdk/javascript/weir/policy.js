// Policies in JavaScript: what happened comes in, what weights should be goes out.
//
// `export const reactor = policy({ health(change) { .. } })` is one. What its functions say
// through `drain`, `scale`, `floor`, `cap` and `clear` takes place if they return, and not at
// all if one throws.

import host from "weir:host/config@0.1.0";
import journal from "weir:host/log@0.1.0";
import health from "weir:plugin/health@0.1.0";
import intents from "weir:plugin/intents@0.1.0";
import labelled from "weir:plugin/labels@0.1.0";
import table from "weir:ipvs/table@0.1.0";

import { described, words } from "./failure.js";

const EVERYTHING = 0xffff_ffff;

// Milliseconds between two calls of `time`; undefined = as the host does.
let period;

export function policy(handlers) {
  const found = () => {
    const keys = servers().map(([key]) => key);
    for (const { key, status } of handlers.health ? health.current(keys) : []) {
      if (status === "unknown") continue;
      const detail = "found so when the policy started";
      handlers.health({ server: key, detail, before: "unknown", after: status, lasted: 0 });
    }
  };
  const dispatch = ({ tag, val }) => {
    switch (tag) {
      case "started":
      case "overflow":
        return handlers.start ? handlers.start() : found();
      case "health":
        return handlers.health?.(val);
      case "stats":
        return handlers.time?.(val);
      case "answered":
        return handlers.answer?.(val);
      case "stopping":
        return handlers.stop?.();
    }
  };
  return {
    init() {
      told(() => handlers.init?.(config()));
      return { kinds: handlers.time ? ["health", "stats"] : ["health"], statsEvery: period };
    },
    handle: (batch) => told(() => batch.forEach(({ event }) => dispatch(event))),
  };
}

// The host is told of what is thrown.
function told(call) {
  try {
    call();
  } catch (error) {
    throw { message: described(error), retryable: error?.retryable ?? false };
  }
}

export function every(milliseconds) {
  period = milliseconds;
}

export const config = () => JSON.parse(host.get());

export const drain = (server, reason) => publish(server, { tag: "drain" }, reason);

export const scale = (server, thousandths, reason) =>
  publish(server, { tag: "scale", val: thousandths }, reason);

export const floor = (server, weight, reason) =>
  publish(server, { tag: "floor", val: weight }, reason);

export const cap = (server, weight, reason) => publish(server, { tag: "cap", val: weight }, reason);

export const clear = (server) => intents.withdraw([server]);

export const log = (message, level = "info") => journal.write(level, message, []);

export function servers() {
  const snapshot = table.current();
  const found = snapshot.services(0, EVERYTHING).flatMap(({ config }, number) =>
    snapshot
      .realServers(number)
      .map((server) => [{ service: config.key, server: server.config.server }, server]),
  );
  snapshot[Symbol.dispose]?.();
  return found;
}

export const labels = (server) => Object.fromEntries(labelled.ofRealServers([server])[0]);

function publish(key, intent, reason = "") {
  for (const { tag, val } of intents.publish([{ key, intent, lease: undefined, reason }])) {
    if (tag === "refused") throw new Error(words(val));
  }
}
