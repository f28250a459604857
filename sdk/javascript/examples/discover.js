// Serves what a registry lists: services and their real servers, asked for by HTTP again and again.
//
// A registry that does not answer, or answers something else, changes nothing; nor does one that
// lists nothing at all, for that is more likely its mistake than its wish.

import {
  ask,
  ensure,
  giveUp,
  owned,
  realServer,
  secret,
  service,
  shown,
  text,
  vip,
  why,
} from "../weir/controller.js";
import { every, log, policy } from "../weir/policy.js";

let url, headers;

export const reactor = policy({
  init({ url: asked, every_s = 10, secret: token = null, ...unknown }) {
    for (const name in unknown) throw new Error(`config: unknown field ${name}`);
    url = typed("string", asked);
    headers = token === null ? {} : { authorization: secret("Bearer ", typed("string", token)) };
    every(typed("number", every_s) * 1000);
  },

  time() {
    try {
      ask({ url, tag: "services", headers });
    } catch (error) {
      // Those before are not answered yet.
      if (!error.retryable) throw error;
    }
  },

  answer({ outcome }) {
    let services;
    try {
      services = listed(outcome);
    } catch (error) {
      log(`${url}: ${error.message}; nothing changes`, "warn");
      return;
    }
    serve(services);
  },
});

function listed({ tag, val }) {
  if (tag === "err") throw new Error(why(val));
  if (val.status !== 200) throw new Error(`status ${val.status}`);
  let services;
  try {
    services = JSON.parse(text(val.body)).map(parsed);
  } catch (error) {
    throw new Error(`its answer: ${error.message}`);
  }
  if (services.length === 0) throw new Error("it lists no service");
  return services;
}

function parsed({ name, address, udp = false, scheduler = "wlc", servers }) {
  const key = vip(typed("string", address), typed("boolean", udp) ? "udp" : "tcp");
  const each = servers.map(({ address, weight = 1 }) =>
    realServer(typed("string", address), typed("number", weight)),
  );
  return service(typed("string", name), key, each, typed("string", scheduler));
}

// Numbers have 32 bits, and no sign.
function typed(type, value) {
  const is = typeof value === type && (type !== "number" || value >>> 0 === value);
  if (!is) throw new Error(`expected a ${type}, found ${JSON.stringify(value)}`);
  return value;
}

function serve(services) {
  for (const it of services) {
    try {
      ensure(it);
    } catch (error) {
      // One service that cannot be is no reason to leave the others.
      log(error.message, "error");
    }
  }
  const kept = new Set(services.map(({ config }) => shown(config.key)));
  for (const { config } of owned()) {
    if (!kept.has(shown(config.key))) giveUp(config.key);
  }
}
