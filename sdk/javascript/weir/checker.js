// Checkers in JavaScript: a server comes in, what it is found to be goes out.
//
// `export const checking = checker((target) => outcome)` is one: its function returns `up()`,
// `degraded(percent, reason)`, `down(reason)` or `inconclusive(reason)`. A question without an
// answer throws, and ends the check: that is what it found. Whatever else is thrown counts as
// nothing, and people are told.

import probe from "weir:host/probe@0.1.0";

import { described } from "./failure.js";
import { bytes, text } from "./text.js";

export { text };

export function checker(check) {
  return {
    check(target) {
      try {
        const outcome = check({ ...target, settings: JSON.parse(target.settings) });
        if (outcome?.tag) return outcome;
        return inconclusive(`expected up(), degraded(), down() .., found ${outcome}`);
      } catch (error) {
        const why = error?.payload ?? error;
        return why?.tag ? { tag: "unreached", val: why } : inconclusive(described(error));
      }
    },
  };
}

export const up = () => ({ tag: "pass" });

export const degraded = (percent, reason = "") => ({ tag: "degraded", val: { percent, reason } });

export const down = (reason = "") => ({ tag: "fail", val: reason });

export const inconclusive = (reason = "") => ({ tag: "inconclusive", val: reason });

export function known(settings, defaults) {
  for (const [name, value] of Object.entries(settings)) {
    const wanted = typeof defaults[name];
    if (!Object.hasOwn(defaults, name)) throw invalid(`unknown field ${name}`);
    if (typeof value !== wanted) throw invalid(`${name}: expected a ${wanted}`);
  }
  return { ...defaults, ...settings };
}

const invalid = (what) => ({ tag: "invalid", val: `config: ${what}` });

export const get = (path) => http({ path });

export const http = ({ method = "GET", path, headers = {}, body = "" }) =>
  probe.http({ method, path, headers: Object.entries(headers), body: bytes(body) });

export const exchange = (datagram) => probe.exchange(bytes(datagram));

export function connect() {
  const connection = probe.Connection.connect();
  return {
    write: (what) => connection.write(bytes(what)),
    read: (max) => connection.read(max),
    close: () => connection[Symbol.dispose](),
  };
}
