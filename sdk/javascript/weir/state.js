// What a policy has the host keep for good: over crashes, reloads and restarts.
//
// What is remembered or forgotten takes effect if the call returns, and not at all if it
// throws. It takes the grant `state`.

import state from "weir:host/state@0.1.0";

import { fromBytes, toBytes } from "./json.js";

export function recall(name) {
  const value = state.get(name);
  return value === undefined || value === null ? undefined : fromBytes(value);
}

export function remember(name, value) {
  const kept = toBytes(name, value);
  try {
    state.set([[name, kept]]);
  } catch (error) {
    throw new Error(why(name, error.payload ?? error));
  }
}

export const forget = (name) => state.remove([name]);

function why(name, { tag, val }) {
  switch (tag) {
    case "quota":
      return `${name} does not fit into grant.state, ${val} bytes`;
    case "key-length":
      return `expected a name of 1 to ${val} bytes`;
    default:
      return "nothing can be remembered while the policy is made";
  }
}
