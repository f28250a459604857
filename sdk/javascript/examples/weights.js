// Gives a real server that has more connections open fewer new ones.

import { weigher } from "../weir/weigher.js";

export const weighing = weigher(({ candidates }) => {
  const total = sum(candidates.map(opened));
  const weights = sum(candidates.map((it) => it.unweighed));
  return candidates.map((it) => scale(it, total * it.unweighed, weights * opened(it)));
});

// Ten more than there are: below that, differences are chance.
const opened = ({ server }) => server.active + 10;

// Three tenths of the way from the present scale to the one that is fair by the weight that it
// has without this: in small steps, for new connections follow late.
function scale({ server, unweighed }, fair, found) {
  const { weight } = server.config;
  const target = clamp((1000 * fair) / Math.max(found, 1));
  const now = weight ? clamp((1000 * weight) / Math.max(unweighed, 1)) : 1000;
  return Math.floor((7 * now + 3 * target) / 10);
}

const clamp = (thousandths) => Math.min(Math.max(Math.floor(thousandths), 500), 1500);

const sum = (numbers) => numbers.reduce((total, it) => total + it, 0);
