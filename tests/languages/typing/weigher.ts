// Every word of weighers, at its type.

import { type Candidate, type Scales, weigher } from "../weir/weigher.js";

interface Memo {
  turns: number;
}

const isSlow = ({ labels, latency, delta, health }: Candidate): boolean =>
  health === "up" &&
  (latency ?? 0) / 1e6 > 50 &&
  delta.connections > 0 &&
  labels.every(([name]) => name !== "patient");

export const weighing = weigher<Memo>(({ candidates, memo, period, settings }) => {
  const slow: Scales = candidates.map((it) => (isSlow(it) ? 500 : 1000));
  if (period === 0 || settings.once === true) return slow;
  return { scales: slow, memo: { turns: (memo?.turns ?? 0) + 1 } };
});
