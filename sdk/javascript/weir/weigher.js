// Weighers in JavaScript: what a service does comes in, scales of its weights go out.
//
// `export const weighing = weigher((service) => scales)` is one: its function returns a scale
// for each of `service.candidates`, in thousandths of its base weight, or
// `{ scales, memo }`, where `memo` is what the next call for the service finds as its own:
// anything that JSON has. If it throws, the scales before stay.

import { described } from "./failure.js";
import { fromBytes, toBytes } from "./json.js";

export function weigher(weigh) {
  return {
    weigh(input) {
      try {
        const memo = input.memo.length ? fromBytes(input.memo) : undefined;
        const settings = JSON.parse(input.settings);
        const answer = weigh({ ...input, settings, memo });
        const { scales, memo: next } = Array.isArray(answer) ? { scales: answer } : answer;
        return { scales, memo: next === undefined ? [] : toBytes("memo", next) };
      } catch (error) {
        throw described(error);
      }
    },
  };
}
