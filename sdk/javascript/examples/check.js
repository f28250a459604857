// A server says by HTTP how it is: what it answers decides whether it gets connections, or fewer.

import { checker, degraded, down, get, known, up } from "../weir/checker.js";

export const checking = checker(({ settings }) => {
  // What is asked for.
  const { path } = known(settings, { path: "/ready" });
  const { status } = get(path);
  if (status >= 200 && status < 300) return up();
  return status === 429 ? degraded(50, "it says that it is busy") : down(`status ${status}`);
});
