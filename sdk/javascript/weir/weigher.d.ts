// Weighers: what a service does comes in, scales of its weights go out.

import type { Health, RealServer, ServiceKey, Traffic } from "./policy.js";

/** One real server to be weighed. */
export interface Candidate {
  /** As the kernel has it. */
  server: RealServer;
  /** Its own labels in the configuration: names and values. */
  labels: [string, string][];
  /** Its weight while nobody says anything. */
  base: number;
  /** Its weight if this plugin said nothing; 0 = no new connections. */
  unweighed: number;
  health: Health;
  /** Nanoseconds that the newest probe took; null where it failed, or there was none. */
  latency: number | null;
  /** Its traffic since the call before. */
  delta: Traffic;
}

/** One service. */
export interface Service<Memo = unknown> {
  service: { key: ServiceKey; scheduler: string };
  /** Its name in the configuration. */
  name: string;
  /** Its labels there: names and values. */
  labels: [string, string][];
  /** The plugin's `config` table. */
  settings: Record<string, unknown>;
  /** Nanoseconds since the Unix epoch, to within 256. */
  at: number;
  /** Seconds that local time is ahead of UTC. */
  utcOffset: number;
  /** Milliseconds since the call before; 0 = this is the first. */
  period: number;
  /** In the order of their addresses. */
  candidates: Candidate[];
  /** What the call before returned as `memo`. */
  memo?: Memo;
}

/** Thousandths of the base weight, 1 or more, one a candidate. */
export type Scales = number[];

export function weigher<Memo = unknown>(
  weigh: (service: Service<Memo>) => Scales | { scales: Scales; memo?: Memo },
): object;
