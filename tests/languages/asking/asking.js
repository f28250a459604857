// Asks in every way that there is, and says what came of it.

import { checker, connect, down, exchange, http, inconclusive, text } from "../weir/checker.js";

export const checking = checker(({ server, timeout }) => {
  let datagram;
  try {
    datagram = text(exchange("pong"));
  } catch (error) {
    if (error.payload?.tag === "timeout") return inconclusive("late");
    throw error;
  }
  const request = { method: "POST", path: "/a?b=1", headers: { "x-probe": "weir" }, body: "ping" };
  const { status, headers, body } = http(request);
  const connection = connect();
  connection.write("hello");
  const heard = [connection.read(2), connection.read(64)].map(text).join(" ");
  const { length } = connection.read(64);
  connection.close();
  const [[name, value]] = headers;
  const answer = `${status} ${name}=${text(value)} ${text(body)}`;
  return down(`${server.port} ${timeout}: ${answer}; ${heard} ${length}; ${datagram}`);
});
