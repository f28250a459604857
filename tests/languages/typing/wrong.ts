// Each line that says so is a mistake, and refused.

import { checker, degraded, down, known } from "../weir/checker.js";
import { ask, realServer, vip } from "../weir/controller.js";
import { deny, guard } from "../weir/guard.js";
import { clear, drain, every, log, policy, scale } from "../weir/policy.js";
import { recall, remember } from "../weir/state.js";
import { weigher } from "../weir/weigher.js";

export const reactor = policy({
  init: () => every("5 s"), // wrong
  health({ server, after, lasted }) {
    if (after === "dwon") drain(server); // wrong
    scale(server, "half"); // wrong
    drain(server.server, "it is down"); // wrong
    clear(); // wrong
    log(lasted); // wrong
    log("it is down", "warning"); // wrong
    remember(recall(7), 7); // wrong
  },
  changed() {}, // wrong
});

export const weighing = weigher(({ candidates }) => candidates.map((it) => it.latency)); // wrong

export const guarding = guard(() => true); // wrong
deny(7); // wrong

export const checking = checker(() => degraded); // wrong
checker(({ settings }) => down(known(settings, { path: "/ready" }).paths)); // wrong

ask("https://registry.example/"); // wrong
vip("192.0.2.1:80", "http"); // wrong
realServer(vip("192.0.2.1:80")); // wrong
