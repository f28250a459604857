// What the host is told of what was thrown: with the line, which the stack has.

export function described(error) {
  const lines = String(error?.stack ?? "").split("\n");
  const places = lines.map((it) => it.match(/\(?([^\s()]+):(\d+):\d+\)?\s*$/)).filter((it) => it);
  // Where the plugin's own code is, if it is on the way.
  const place = places.find((it) => !it[1].startsWith("/weir/")) ?? places[0];
  const where = place ? `${place[1]}:${place[2]}: ` : "";
  return `${where}${error?.message ?? error}`;
}

// What the host says of what it refused.

export function words({ tag, val }) {
  if (tag === "denied") return val.message;
  return tag === "no-such-server" ? "the host does not know this real server" : tag;
}
