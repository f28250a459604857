// Every word of controllers, at its type.

import {
  type OwnedService,
  type Request,
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
import { type HttpAnswer, log, policy } from "../weir/policy.js";

const question: Request = {
  url: "https://registry.example/addresses",
  tag: "addresses",
  headers: { accept: "text/plain", authorization: secret("Bearer ", "token") },
  body: Uint8Array.of(0x7b, 0x7d),
  timeout: 2000,
};

// Two addresses a line: of a service, and of its real server.
const listed = (body: Uint8Array): OwnedService[] =>
  text(body)
    .split("\n")
    .map((line, number) => {
      const [address = "", server = ""] = line.split(" ");
      return service(`service-${number}`, vip(address, "udp"), [realServer(server, 3)], "wrr");
    });

function serve(services: OwnedService[]): void {
  services.forEach(ensure);
  const kept = new Set(services.map(({ config }) => shown(config.key)));
  for (const { name, config, realServers } of owned()) {
    if (kept.has(shown(config.key))) continue;
    log(`${name} goes, with ${realServers.map((it) => it.weight).join(", ")}`);
    giveUp(config.key);
  }
}

export const reactor = policy({
  time: () => ask(question),
  answer({ tag, outcome }: HttpAnswer) {
    if (outcome.tag === "err") log(`${tag}: ${why(outcome.val)}`, "warn");
    else if (outcome.val.status === 200) serve(listed(outcome.val.body));
  },
});
