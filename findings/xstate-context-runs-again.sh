#!/bin/sh
# XState: transition() makes the machine's context anew every time, and throws it away.
#
# A good engineer would guess: `context: () => ({ … })` makes the context once, when an actor begins. `transition(machine,
# snapshot, event)` is a pure function of its arguments, and works on the snapshot's context.
#
# What really happens: each call makes a throw-away actor, and that runs the factory of the context again, without the
# `input` that the machine was started with. The result is not used and errors are caught, so nothing is seen of it. A
# factory that counts, draws ids, reads a clock or opens something does so at every event.
#
# Versions: xstate 5.33.3; Node 20 or newer.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 xstate@5.33.3 ||
  cannot 'npm could not install the packages.'

cat >try.mjs <<'JS'
import { createMachine, initialTransition, transition } from 'xstate';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const inputs = [];
const machine = createMachine({
  context: ({ input }) => {
    inputs.push(input);
    return { number: inputs.length };
  },
  on: { TICK: {} },
});
let [snapshot] = initialTransition(machine, { name: 'Ann' });
const { number } = snapshot.context;
const atStart = inputs.splice(0);
for (let n = 0; n < 100; n++) [snapshot] = transition(machine, snapshot, { type: 'TICK' });
console.log(`At the start the factory ran ${atStart.length} times, with the inputs`, atStart);
console.log(`In 100 transitions it ran ${inputs.length} times, with the inputs`, [...new Set(inputs)]);
console.log(`The context is the one that it was: ${snapshot.context.number === number}.`);
if (inputs.length !== 100 || snapshot.context.number !== number) changed('The factory does not run once for each transition.');
if (inputs.some((input) => input !== undefined)) changed('The factory is given an input in transition().');
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
