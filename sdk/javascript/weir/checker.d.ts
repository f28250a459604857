// Checkers: a server comes in, what it is found to be goes out.

import type { Endpoint } from "./policy.js";

/** What is to be checked. */
export interface Target {
  server: Endpoint;
  /** The plugin's `config` table, and over it that of the check. */
  settings: Record<string, unknown>;
  /** Milliseconds that the check may take, all of it. */
  timeout: number;
}

/** What a question without an answer throws, as `payload`. */
export type Why =
  | { tag: "refused" | "unreachable" | "timeout" | "broken" }
  | { tag: "protocol" | "local" | "invalid"; val: string };

export type Outcome =
  | { tag: "pass" }
  | { tag: "degraded"; val: { percent: number; reason: string } }
  | { tag: "fail" | "inconclusive"; val: string }
  | { tag: "unreached"; val: Why };

/** Makes what must be exported as `checking`. */
export function checker(check: (target: Target) => Outcome): object;

/** It does what it should. */
export function up(): Outcome;

/** It does, and should get this percentage of its weight, 1 to 99. */
export function degraded(percent: number, reason?: string): Outcome;

/** It does not. */
export function down(reason?: string): Outcome;

/** The check cannot tell: counts as nothing, and people are told. */
export function inconclusive(reason?: string): Outcome;

/** Settings over `defaults`, which have every one that there is. Throws where there is another one,
 * or one of another type: it cannot be asked what they say. */
export function known<Settings extends object>(
  settings: Target["settings"],
  defaults: Settings,
): Settings;

/** Text is sent in UTF-8. */
export type Bytes = string | Uint8Array;

export interface Request {
  /** "GET", if it is left out. */
  method?: string;
  /** With the query. */
  path: string;
  headers?: Record<string, string>;
  body?: Bytes;
}

export interface Response {
  status: number;
  /** Names in small letters, and values, in order. */
  headers: [string, Uint8Array][];
  /** At most 64 KiB of it. */
  body: Uint8Array;
}

// Questions to the server under check, 64 at most. Each waits.

/** Asks for `path` by HTTP. Any status is an answer. */
export function get(path: string): Response;

/** Asks by HTTP. */
export function http(request: Request): Response;

/** Sends one datagram by UDP, and waits for one. */
export function exchange(datagram: Bytes): Uint8Array;

/** Connects by TCP, and shakes hands where the check says `tls`. */
export function connect(): Connection;

export interface Connection {
  /** Sends all of it. */
  write(bytes: Bytes): void;
  /** What is there, or comes: at most `max` bytes, and at most 64 KiB. Empty = the end. */
  read(max: number): Uint8Array;
  /** Ends it, with a reset. So does the end of the check. */
  close(): void;
}

/** The text that is in bytes; what is no UTF-8 is one letter a byte. */
export function text(bytes: Uint8Array): string;
