// Controllers: policies that own services, and ask others by HTTP.

import type { Endpoint, HttpError, Protocol, ServiceKey } from "./policy.js";

export { text } from "./checker.js";

/** A secret, which the host puts into a header. */
export type Secret = { tag: "secret"; val: { prefix: string; name: string } };

export interface Request {
  /** "http" or "https", a host, and what is asked for. Has to be within the grant `http`. */
  url: string;
  /** What the answer is told with, "" if it is left out. */
  tag?: string;
  /** "GET", if it is left out. */
  method?: string;
  headers?: Record<string, string | Secret>;
  /** Text is sent in UTF-8. */
  body?: string | Uint8Array;
  /** Milliseconds that all of it may take: 10000 if it is left out, 60000 at most. */
  timeout?: number;
}

/** A real server as it should be. */
export interface RealServerConfig {
  server: Endpoint;
  forwarding: { tag: "masquerade" | "local" | "tunnel" | "direct" };
  weight: number;
  upperThreshold: number;
  lowerThreshold: number;
}

/** A service as it should be. */
export interface OwnedService {
  /** For logs and grants, and unique. */
  name: string;
  config: { key: ServiceKey; scheduler: string; persistence?: number | null; netmask: number };
  /** All its real servers, with their base weights. */
  realServers: RealServerConfig[];
}

/** Has the host ask this by HTTP; `answer` of the policy is told. Throws if the grant does not
 * allow it, if it is no request, or, with `retryable`, if 8 are under way. */
export function ask(request: Request): void;

/** The value of a header: `prefix`, such as "Bearer ", and a secret, by its name in the grant. */
export function secret(prefix: string, name: string): Secret;

/** Why there is no answer, for people. */
export function why(error: HttpError): string;

/** Has the host make and keep this service, in the place of what this plugin owned with its key.
 * Throws if the grant does not allow it, if it is no service, or if it has another owner. */
export function ensure(service: OwnedService): void;

/** Gives a service up: its real servers are drained, and then it goes. */
export function giveUp(key: ServiceKey): void;

/** All services that this plugin owns, in the order of the table. */
export function owned(): OwnedService[];

/** A service without persistence or flags; by "wlc", if no scheduler is named. */
export function service(
  name: string,
  key: ServiceKey,
  realServers: RealServerConfig[],
  scheduler?: string,
): OwnedService;

/** What identifies the service at "192.0.2.1:80" or "[2001:db8::1]:80", by "tcp" unless another
 * protocol is named. Throws if it is no address. */
export function vip(address: string, protocol?: "tcp" | "udp" | "sctp"): ServiceKey;

/** A real server by masquerading, without thresholds. Throws if it is no address. */
export function realServer(address: string, weight?: number): RealServerConfig;

/** `tcp 192.0.2.1:80`: the same text for the same service, and for no other. */
export function shown(key: ServiceKey): string;
