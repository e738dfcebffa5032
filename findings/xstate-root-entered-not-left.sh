#!/bin/sh
# XState: a transition to the root by its id enters the root again without leaving it. Timers and invoked actors double.
#
# A good engineer would guess: `target: '#session'` in a child starts the machine from its beginning, wherever `#session`
# stands: exit actions run, timers (`after`) are cancelled, invoked actors stop, and then all of them start anew. That is
# what happens if `#session` is a state inside a machine, also without `reenter`.
#
# What really happens at the root: entry actions run and exit actions do not. Every such transition sets one more timer
# and starts one more invoked actor beside the old ones. All the timers fire. `stop()` of the machine stops only the last
# of the invoked actors; the others run on. With `reenter: true` the root is left first, as expected.
# Nor is the timer of the root set again by a transition between its children (`reenter: true` in a child, or
# `on: { again: '.online' }` in the root). That is by the rules, but an idle timeout at the root fires in mid-activity.
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
import { createActor, createMachine, fromCallback, SimulatedClock } from 'xstate';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
/** Sends "again" twice, 100 ms apart, to a session with a timer of 300 ms: what ran, and when the timers fired. */
function seen(place, again, on = {}) {
  const clock = new SimulatedClock();
  const ran = [];
  const running = new Set();
  const fired = [];
  const watcher = fromCallback(() => {
    const me = {};
    running.add(me);
    return () => running.delete(me);
  });
  const session = {
    id: 'session', initial: 'online', invoke: { src: watcher }, on,
    entry: () => ran.push('entry'), exit: () => ran.push('exit'), after: { 300: { actions: () => fired.push(clock.now()) } },
    states: { online: { on: again === undefined ? {} : { again } } },
  };
  const machine = createMachine(place === 'root' ? session : { initial: 'session', states: { session } });
  const actor = createActor(machine, { clock }).start();
  for (let n = 0; n < 2; n++) {
    clock.increment(100);
    actor.send({ type: 'again' });
  }
  for (let n = 0; n < 10; n++) clock.increment(100);
  const before = running.size;
  const result = { ran: ran.join(' '), fired: fired.join(' ') };
  actor.stop();
  return { ...result, watchers: before, watchersAfterStop: running.size };
}
const root = seen('root', { target: '#session' });
const inside = seen('inside', { target: '#session' });
const reenter = seen('root', { target: '#session', reenter: true });
const child = seen('root', { target: 'online', reenter: true });
const fromRoot = seen('root', undefined, { again: '.online' });
console.log("'#session' is the root:              ", JSON.stringify(root));
console.log("'#session' is a state of the machine:", JSON.stringify(inside));
console.log('The root, with reenter:              ', JSON.stringify(reenter));
console.log('A child enters itself again:         ', JSON.stringify(child));
console.log("The root goes to '.online':          ", JSON.stringify(fromRoot));
if (root.ran !== 'entry entry entry') changed('The root is left, or not entered again.');
if (root.fired !== '300 400 500') changed(`The timers of the root fired at ${root.fired}.`);
if (root.watchers !== 3 || root.watchersAfterStop !== 2) changed('The invoked actors of the root do not pile up.');
for (const one of [inside, reenter]) {
  if (one.ran !== 'entry exit entry exit entry' || one.fired !== '500' || one.watchers !== 1 || one.watchersAfterStop !== 0)
    changed('A state of the machine, or the root with reenter, is not simply left and entered.');
}
if (child.fired !== '300' || fromRoot.fired !== '300') changed('A transition below the root sets its timer again.');
JS
timeout 80 node try.mjs
