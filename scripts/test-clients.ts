/**
 * `npm run test:clients`: real XMPP clients as operators of the real service with a real ejabberd (docs/clients.md). A
 * client that this machine does not have is left out by name.
 *
 * ```sh
 * npm run test:clients                                          # all of them, all scenes, by both transports
 * TEST_TRANSPORT=component npm run test:clients                 # by one
 * npm run test:clients -- --only profanity --scene answer       # one
 * npm run test:clients -- --only converse --transfers 30        # is a line missing after a transfer?
 * npm run test:clients -- --only converse --crowd 100           # what a login costs with so many contacts
 * npm run test:clients -- --pictures docs/clients               # writes pictures too
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.ts';
import { type MakeClient, Missing } from '../test/clients/client.ts';
import { makeConverse } from '../test/clients/converse.ts';
import { type Cost, crowd } from '../test/clients/crowd.ts';
import { makeDino } from '../test/clients/dino.ts';
import { makePidgin } from '../test/clients/pidgin.ts';
import { play, type Stage } from '../test/clients/play.ts';
import { makeProfanity } from '../test/clients/profanity.ts';
import { startRig, TRANSPORTS, type Transport } from '../test/clients/rig.ts';
import { transfers } from '../test/clients/transfers.ts';

interface Entry {
  readonly name: string;
  readonly make: MakeClient;
  readonly tls: boolean;
}

const CLIENTS: readonly Entry[] = [
  { name: 'profanity', make: makeProfanity, tls: false },
  { name: 'dino', make: makeDino, tls: true },
  { name: 'pidgin', make: makePidgin, tls: false },
  { name: 'converse', make: makeConverse, tls: false },
];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    scene: { type: 'string', multiple: true, default: [] },
    pictures: { type: 'string' },
    transfers: { type: 'string' },
    crowd: { type: 'string' },
  },
});

/** What runs now, the latest last. Ctrl-C must leave nothing behind. */
const running: (() => Promise<void>)[] = [];
let closing: Promise<void> | undefined;
function closeAll(): Promise<void> {
  const close = async () => {
    for (const each of running.splice(0).reverse()) await each();
  };
  closing ??= close().finally(() => {
    closing = undefined;
  });
  return closing;
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeAll().finally(() => process.exit(1)));
}

let failures = 0;
const leftOut: string[] = [];

function printCost(cost: Cost): void {
  const list = (counts: readonly (readonly [string, number])[]) =>
    counts.map(([kind, count]) => `${count} ${kind}`).join(', ');
  console.log(`  the operator was ${cost.availability.join(', ')}`);
  console.log(`  sent: ${list(cost.sent)}`);
  console.log(`  received: ${list(cost.received)}`);
  console.log(`  sent at a second login: ${list(cost.sentAgain)}`);
}

/** @returns how much went wrong */
async function perform(stage: Stage): Promise<number> {
  if (values.crowd !== undefined) {
    printCost(await crowd(stage, Number(values.crowd), (line) => console.log(`  ${line}`)));
    return 0;
  }
  await stage.client.start();
  await stage.rig.tenant.operatorIs('olga', 'available');
  if (values.transfers !== undefined) {
    const lost = await transfers(stage, Number(values.transfers));
    for (const line of lost) console.log(`  ${line}`);
    console.log(`  ${values.transfers} transfers, ${lost.length} with a line missing`);
    return lost.length;
  }
  const outcomes = await play(stage, values.scene, ({ scene, outcome, why }) => {
    console.log(`  ${scene.padEnd(24)} ${outcome}${why === undefined ? '' : `: ${why}`}`);
  });
  return outcomes.filter(({ outcome }) => outcome === 'failed').length;
}

async function test({ name, make, tls }: Entry, transport: Transport): Promise<number> {
  const rig = await startRig({ tls, transport });
  running.push(rig.close);
  const client = await make(rig.account, join(rig.folder, name));
  running.push(client.close);
  console.log(`\n${name}: ${client.version}, ${transport}`);
  const { pictures } = values;
  return perform({
    rig,
    client,
    async picture(what, jid) {
      if (pictures === undefined) return;
      await mkdir(pictures, { recursive: true });
      await client.screenshot(join(pictures, `${name}-${what}.png`), jid);
    },
  });
}

const names = CLIENTS.map(({ name }) => name);
const unknown = values.only.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Choose from ${names.join(', ')}.`);
  process.exit(2);
}

const { TEST_TRANSPORT } = process.env;
const transports = TRANSPORTS.filter((each) => !TEST_TRANSPORT || each === TEST_TRANSPORT);
if (transports.length === 0) {
  console.error(`Unknown TEST_TRANSPORT: ${TEST_TRANSPORT}. Choose from ${TRANSPORTS.join(', ')}.`);
  process.exit(2);
}

/** Plays by each transport. @throws {Missing} without the client */
async function testBy(entry: Entry): Promise<void> {
  for (const transport of transports) {
    try {
      failures += await test(entry, transport);
    } catch (error) {
      if (error instanceof Missing) throw error;
      failures += 1;
      console.log(`${entry.name}, ${transport}: failed: ${messageOf(error)}`);
    } finally {
      await closeAll();
    }
  }
}

for (const entry of CLIENTS) {
  if (values.only.length > 0 && !values.only.includes(entry.name)) continue;
  try {
    await testBy(entry);
  } catch (error) {
    leftOut.push(`${entry.name}: left out, ${messageOf(error)}`);
  }
}
for (const line of leftOut) console.log(line);
process.exit(failures === 0 ? 0 : 1);
