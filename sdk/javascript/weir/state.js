// What a policy has the host keep for good: over crashes, reloads and restarts.
//
// What is remembered or forgotten takes effect if the call returns, and not at all if it
// throws. It takes the grant `state`.

import state from "weir:host/state@0.1.0";

export function recall(name) {
  const value = state.get(name);
  return value === undefined || value === null ? undefined : JSON.parse(text(value));
}

export function remember(name, value) {
  try {
    state.set([[name, bytes(JSON.stringify(value))]]);
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

// JSON in letters that are one byte each, for the engine has no TextEncoder.
const bytes = (json) =>
  Uint8Array.from(
    json.replace(/[^\x00-\x7f]/g, (it) => "\\u" + it.charCodeAt(0).toString(16).padStart(4, "0")),
    (it) => it.charCodeAt(0),
  );

const text = (bytes) => Array.from(bytes, (it) => String.fromCharCode(it)).join("");
