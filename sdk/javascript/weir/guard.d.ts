// Guards: a planned change comes in, a verdict goes out.

import type { Endpoint, RealServer, ServiceKey } from "./policy.js";

/** A real server as it would be. */
export interface PlannedServer {
  server: Endpoint;
  weight: number;
  upperThreshold: number;
  lowerThreshold: number;
}

/** A change to be judged. */
export interface Change {
  /** Who wants it. */
  origin: { tag: "plugin"; val: string } | { tag: "operator" };
  /** Why, for people. */
  reason: string;
  /** What will be done, in order. */
  operations: { tag: string; val?: unknown }[];
  /** Every service that it touches and that will exist afterwards, as it would be. */
  outcome: {
    config: { key: ServiceKey; scheduler: string };
    realServers: PlannedServer[];
  }[];
}

export type Verdict =
  | { tag: "allow" }
  | { tag: "warn"; val: string }
  | { tag: "deny"; val: { code: string; message: string } };

export function guard(judge: (change: Change) => Verdict | undefined): object;

/** Nothing of it is done, and whoever wanted it is told why. */
export function deny(message: string): Verdict;

/** It goes on, and people are told. */
export function warn(message: string): Verdict;

/** The plugin's `config` table. */
export function config(): any;

/** The real servers that a service has now; none if the grant does not show it. */
export function serversNow(key: ServiceKey): RealServer[];
