#!/bin/sh
# React: a page that has loaded in 20 ms is shown after 300 ms.
#
# A good engineer would guess: what `lazy` loads is shown when it is there, a frame later at most. A smaller chunk is a faster page.
#
# What really happens: once the fallback of a Suspense boundary was shown, React holds the content back until 300 ms after that
# (the code calls it a throttle of fallbacks). A chunk of 20 ms and one of 250 ms are shown at the same moment, a chunk of
# 400 ms at once. A chunk that was loaded before the boundary is rendered is held back as well: its promise is
# asked a moment later, and by then the fallback is shown.
#
# Versions: react and react-dom 19.3.1, jsdom 29.1.1; Node 20.19 or newer.
# Measured since: 30 November 2026.
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
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 react@19.3.1 react-dom@19.3.1 jsdom@29.1.1 ||
  cannot 'npm could not install the packages.'

cat >try.mjs <<'JS'
import { JSDOM } from 'jsdom';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const { window } = new JSDOM('', { pretendToBeVisual: true });
Object.assign(globalThis, { window, document: window.document });
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true });
const { createElement, lazy, Suspense } = await import('react');
const { createRoot } = await import('react-dom/client');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns how long after the page was loaded it was shown, in ms */
async function heldBack(loadsInMs, preloads = false) {
  const element = document.createElement('div');
  document.body.append(element);
  let loadedAt = 0;
  const load = async () => {
    await sleep(loadsInMs);
    loadedAt = performance.now();
    return { default: () => 'the page' };
  };
  const preloaded = preloads ? load() : null;
  if (preloaded) await preloaded;
  const Page = lazy(() => preloaded ?? load());
  if (preloads) loadedAt = performance.now();
  const root = createRoot(element);
  root.render(createElement(Suspense, { fallback: 'loading' }, createElement(Page)));
  while (element.textContent !== 'the page') await sleep(1);
  const ms = Math.round(performance.now() - loadedAt);
  root.unmount();
  return ms;
}
await heldBack(1); // the first render compiles
const seen = {};
for (const ms of [20, 150, 250, 400]) seen[ms] = await heldBack(ms);
const preloaded = await heldBack(20, true);
console.log(`Loaded before it is rendered: shown after ${preloaded} ms.`);
for (const [ms, late] of Object.entries(seen)) console.log(`Loaded after ${ms} ms, shown ${late} ms later.`);
if (seen[20] < 200) changed('A page that is loaded soon is shown soon.');
if (seen[150] < 70) changed('A page is held back for less than 300 ms.');
if (seen[400] > 100) changed('A page that is loaded late is held back too.');
if (preloaded < 200) changed('A page that was loaded before is shown at once.');
process.exit(0);
JS
NODE_ENV=production timeout 80 node try.mjs
