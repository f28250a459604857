// Weighers in JavaScript: what a service does comes in, scales of its weights go out.
//
// `export const weighing = weigher((service) => scales)` is one: its function returns a scale
// for each of `service.candidates`, in thousandths of its base weight, or
// `{ scales, memo }`, where `memo` is what the next call for the service finds as its own:
// anything that JSON has. If it throws, the scales before stay.

import { described } from "./failure.js";

export function weigher(weigh) {
  return {
    weigh(input) {
      try {
        const memo = input.memo.length ? JSON.parse(fromBytes(input.memo)) : undefined;
        const settings = JSON.parse(input.settings);
        const answer = weigh({ ...input, settings, memo });
        const { scales, memo: next } = Array.isArray(answer) ? { scales: answer } : answer;
        return { scales, memo: next === undefined ? [] : toBytes(JSON.stringify(next)) };
      } catch (error) {
        throw described(error);
      }
    },
  };
}

// Memos are ASCII: whatever else there is in them is written as JSON can.
const toBytes = (text) =>
  Array.from(
    text.replace(/[^\x00-\x7f]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`),
    (it) => it.charCodeAt(0),
  );

const fromBytes = (bytes) => Array.from(bytes, (it) => String.fromCharCode(it)).join("");
