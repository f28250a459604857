// Every word of checkers, at its type.

import {
  type Response,
  type Target,
  type Why,
  checker,
  connect,
  degraded,
  down,
  exchange,
  get,
  http,
  inconclusive,
  known,
  text,
  up,
} from "../weir/checker.js";

const settingsOf = ({ settings }: Target) => known(settings, { path: "/ready", percent: 50 });

const posted = (path: string, body: Uint8Array): Response =>
  http({ method: "POST", path, headers: { "x-probe": "weir" }, body });

function heard(): Uint8Array {
  const connection = connect();
  connection.write("PING\r\n");
  const answer = connection.read(64);
  connection.close();
  return answer;
}

export const checking = checker((target) => {
  const { path, percent } = settingsOf(target);
  try {
    if (exchange(Uint8Array.of(0)).length === 0) return inconclusive("it says nothing");
  } catch (error) {
    const { tag } = (error as { payload: Why }).payload;
    if (tag !== "timeout") throw error;
  }
  if (get(path).status === 429) return degraded(percent, "it says that it is busy");
  const { status, headers } = posted(path, heard());
  return status < 300 ? up() : down(`${status}, ${headers.map(([name, it]) => name + text(it))}`);
});
