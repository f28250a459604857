// Controllers in JavaScript: policies that own services, and ask others by HTTP.
//
// One is made by `policy` of policy.js. What its functions say through `ensure`, `giveUp` and `ask`
// takes place if they return, and not at all if one throws. It takes the grants `structure` and
// `http`.

import http from "weir:host/http@0.1.0";
import structure from "weir:plugin/structure@0.1.0";

import { words } from "./failure.js";
import { bytes, text } from "./text.js";

export { text };

export function ask(request) {
  const { url, tag = "", method = "GET", headers = {}, body = "", timeout = 10_000 } = request;
  const pairs = Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === "string" ? { tag: "plain", val: value } : value,
  ]);
  const given = { tag, method, url, headers: pairs, body: bytes(body), timeout };
  try {
    http.send(given);
  } catch (error) {
    const refused = error.payload ?? error;
    throw Object.assign(new Error(why(refused)), { retryable: refused.tag === "busy" });
  }
}

export const secret = (prefix, name) => ({ tag: "secret", val: { prefix, name } });

export function why({ tag, val }) {
  switch (tag) {
    case "busy":
      return `${val} requests are under way, which is as many as may be`;
    case "timeout":
      return "its time is over";
    case "too-large":
      return `its answer is longer than ${val} bytes`;
    default:
      return val;
  }
}

export function ensure(service) {
  for (const { tag, val } of structure.ensure([service])) {
    if (tag === "err") throw new Error(words(val));
  }
}

export const giveUp = (key) => structure.remove([key]);

export const owned = () => structure.owned();

export function service(name, key, realServers, scheduler = "wlc") {
  const family = key.tag === "vip" ? key.val.endpoint.address.tag : key.val.family;
  // Every client by itself: an IPv4 mask, or the length of an IPv6 prefix.
  const netmask = u32(family === "ipv4" ? 0xffff_ffff : 128);
  return { name, config: { key, scheduler, flags: {}, unnamedFlags: 0, netmask }, realServers };
}

// The engine hands numbers of 32 bits over as if they had a sign, and bounds those that have none.
const u32 = (number) => number | 0;

export const vip = (address, protocol = "tcp") => ({
  tag: "vip",
  val: { protocol: { tag: protocol }, endpoint: endpoint(address) },
});

export const realServer = (address, weight = 1) => ({
  server: endpoint(address),
  forwarding: { tag: "masquerade" },
  tunnel: { kind: { tag: "ipip" }, port: 0, checksum: { tag: "none" } },
  weight: u32(weight),
  upperThreshold: 0,
  lowerThreshold: 0,
});

export function shown({ tag, val }) {
  if (tag === "fwmark") return `fwmark ${val.mark} ${val.family}`;
  const { protocol, endpoint } = val;
  const parts = Array.from(endpoint.address.val);
  const address =
    endpoint.address.tag === "ipv4"
      ? parts.join(".")
      : `[${parts.map((it) => it.toString(16)).join(":")}]`;
  return `${protocol.tag === "other" ? protocol.val : protocol.tag} ${address}:${endpoint.port}`;
}

function endpoint(text) {
  const [, v6, v4, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const val = v6 === undefined ? octets(v4 ?? "") : groups(v6);
  if (!val || port > 0xffff) {
    throw new Error(`expected an address and a port, 10.0.0.1:80, found ${text}`);
  }
  return { address: { tag: v6 === undefined ? "ipv4" : "ipv6", val }, port: Number(port) };
}

function octets(text) {
  const found = text.split(".");
  const good = found.every((it) => /^(0|[1-9]\d{0,2})$/.test(it) && it <= 255);
  return good && found.length === 4 ? found.map(Number) : undefined;
}

function groups(text) {
  // The end may be written as IPv4 is.
  const hexadecimal = text.replace(/[^:]*\.[^:]*$/, (it) => {
    const [a, b, c, d] = octets(it) ?? [];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const halves = hexadecimal.split("::").map((it) => (it === "" ? [] : it.split(":")));
  const [head, tail = []] = halves;
  const zeros = 8 - head.length - tail.length;
  const isShort = halves.length === 2 && zeros > 0;
  const all = isShort ? [...head, ...Array(zeros).fill("0"), ...tail] : head;
  if (halves.length > 2 || all.length !== 8) return undefined;
  const good = all.every((it) => /^[0-9a-f]{1,4}$/i.test(it));
  return good ? all.map((it) => parseInt(it, 16)) : undefined;
}
