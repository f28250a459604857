// Every word of policies, at its type.

import {
  type HealthChange,
  type RealServer,
  type Server,
  cap,
  clear,
  config,
  drain,
  every,
  floor,
  labels,
  log,
  policy,
  scale,
  servers,
} from "../weir/policy.js";
import { forget, recall, remember } from "../weir/state.js";

let failures: Record<string, number> = {};

const shown = ({ server: { address, port } }: Server): string =>
  address.tag === "ipv4" ? `${address.val.join(".")}:${port}` : `[${address.val}]:${port}`;

function failed({ server, detail, lasted }: HealthChange): void {
  const name = shown(server);
  failures[name] = (failures[name] ?? 0) + 1;
  remember("failures", failures);
  log(`${name} was well for ${lasted / 1000} s`, "warn");
  drain(server, detail);
}

function spare(server: Server, { config, active, stats }: RealServer): void {
  const { connections } = stats.perSecond;
  if (labels(server).spare === "yes") cap(server, 1);
  else if (active > 100) scale(server, 500, `${connections} connections a second`);
  else if (config.weight < 3) floor(server, 3, "it is small");
}

export const reactor = policy({
  init({ seconds = 5 }: { seconds?: number }) {
    every(seconds * 1000);
  },
  start() {
    failures = recall("failures") ?? {};
  },
  health(change) {
    if (change.after === "down") failed(change);
    else if (change.before === "down") clear(change.server);
  },
  time(elapsed) {
    if (elapsed > 0) for (const [server, it] of servers()) spare(server, it);
  },
  stop() {
    if (config().forgets) forget("failures");
  },
});
