// Policies: what happened comes in, what weights should be goes out.
//
// All numbers are of the type `number`, of 64 bits, too: above 2 to the 53rd the last digits are
// lost. What is not there is null.

/** Health of a real server, after rise and fall counting by the host. */
export type Health = "unknown" | "up" | "down";

export type IpAddress =
  | { tag: "ipv4"; val: [number, number, number, number] }
  | { tag: "ipv6"; val: [number, number, number, number, number, number, number, number] };

export interface Endpoint {
  address: IpAddress;
  port: number;
}

export type Protocol =
  | { tag: "tcp" }
  | { tag: "udp" }
  | { tag: "sctp" }
  | { tag: "other"; val: number };

export type ServiceKey =
  | { tag: "vip"; val: { protocol: Protocol; endpoint: Endpoint } }
  | { tag: "fwmark"; val: { mark: number; family: "ipv4" | "ipv6" } };

/** What identifies a real server. */
export interface Server {
  service: ServiceKey;
  server: Endpoint;
}

/** Since zeroed, or per second. */
export interface Traffic {
  connections: number;
  packetsIn: number;
  packetsOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** A real server as the kernel has it. */
export interface RealServer {
  config: { server: Endpoint; weight: number; upperThreshold: number; lowerThreshold: number };
  active: number;
  inactive: number;
  persistent: number;
  stats: { total: Traffic; perSecond: Traffic };
}

/** A real server changed health. */
export interface HealthChange {
  server: Server;
  /** What the check saw, for people. */
  detail: string;
  before: Health;
  after: Health;
  /** Milliseconds it had been in `before`. */
  lasted: number;
}

/** Why there is no answer by HTTP. */
export type HttpError =
  | { tag: "denied" | "invalid" | "failed"; val: string }
  | { tag: "busy" | "too-large"; val: number }
  | { tag: "timeout" };

/** What became of a request by HTTP. */
export interface HttpAnswer {
  /** As it was asked. */
  tag: string;
  outcome:
    | { tag: "ok"; val: { status: number; headers: [string, Uint8Array][]; body: Uint8Array } }
    | { tag: "err"; val: HttpError };
}

export interface Handlers {
  /** The instance is made; `config` is its settings. If it throws, the policy is not used. */
  init?(config: any): void;
  /**
   * The instance has begun, or lost events. Left out, `health` is told of every real server
   * whose health is known, as it is.
   */
  start?(): void;
  health?(change: HealthChange): void;
  /** Connections and stats are fresh, so many milliseconds after they were before, 0 = this is the
   * first time. `every` says how often. */
  time?(elapsed: number): void;
  /** What `ask` of controller.js asked is answered, or is not. */
  answer?(answer: HttpAnswer): void;
  /** The instance will be stopped. */
  stop?(): void;
}

/** Makes what must be exported as `reactor`. */
export function policy(handlers: Handlers): object;

/** The plugin's `config` table. */
export function config(): any;

/** Milliseconds between two calls of `time`, 1000 at least, in `init`; 5000 unless it is called. */
export function every(milliseconds: number): void;

/** Writes a line to the log. */
export function log(message: string, level?: "trace" | "debug" | "info" | "warn" | "error"): void;

/** No new connections for this real server until `clear`, whatever others say. Throws if the
 * grant does not allow it, with the key that would. */
export function drain(server: Server, reason?: string): void;

/** Multiplies the base weight, in thousandths, 1 or more. A number outside the grant's range
 * is bounded by it. */
export function scale(server: Server, thousandths: number, reason?: string): void;

/** At least this weight; never lifts a drain. */
export function floor(server: Server, weight: number, reason?: string): void;

/** At most this weight, 1 or more. */
export function cap(server: Server, weight: number, reason?: string): void;

/** Takes back what this policy says of the real server. */
export function clear(server: Server): void;

/** The real server's own labels in the host's configuration. */
export function labels(server: Server): Record<string, string>;

/** Every real server that the grant shows, with how the kernel has it. */
export function servers(): [Server, RealServer][];
