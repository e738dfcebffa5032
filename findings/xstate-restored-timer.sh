#!/bin/sh
# XState: a restored actor never fires its timer.
#
# A good engineer would guess: `getPersistedSnapshot()` and `createActor(machine, { snapshot })` carry an actor over a
# restart, as the documentation of persistence shows. A state with `after` is left in time, or at once if it is overdue.
#
# What really happens: delays are started on entering a state, and a restored actor does not enter it. The snapshot does
# not say that there was a timer. A session that should have ended in 30 minutes lives for ever after a restart. Nothing
# warns. Due times have to be kept outside the machine.
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
import { createActor, createMachine } from 'xstate';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const machine = createMachine({ initial: 'online', states: { online: { after: { 200: 'offline' } }, offline: {} } });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const first = createActor(machine).start();
const stored = JSON.stringify(first.getPersistedSnapshot());
await sleep(1_000);
first.stop();
const restored = createActor(machine, { snapshot: JSON.parse(stored) }).start();
await sleep(2_000);
console.log('Stored:', stored);
console.log(`Never stopped, after 1 s: ${first.getSnapshot().value}. Restored, after 2 s: ${restored.getSnapshot().value}.`);
if (first.getSnapshot().value !== 'offline') changed('The timer of a fresh actor does not fire.');
if (restored.getSnapshot().value !== 'online') changed('The restored actor has its timer.');
process.exit(0);
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
