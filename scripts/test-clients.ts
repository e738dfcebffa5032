/**
 * `npm run test:clients`: real XMPP clients as operators of the real service with a real ejabberd (docs/clients.md). A
 * client that this machine does not have is left out by name.
 *
 * ```sh
 * npm run test:clients                                          # all of them, all scenes
 * npm run test:clients -- --only profanity --scene answer       # one
 * npm run test:clients -- --only converse --transfers 30        # is a line missing after a transfer?
 * npm run test:clients -- --only converse --crowd 100           # what a login costs with so many contacts
 * npm run test:clients -- --pictures docs/clients              # # writes pictures too
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.ts';
import { type MakeClient, Missing } from '../test/clients/client.ts';
import { makeConverse } from '../test/clients/converse.ts';
import { crowd } from '../test/clients/crowd.ts';
import { makeDino } from '../test/clients/dino.ts';
import { makePidgin } from '../test/clients/pidgin.ts';
import { play } from '../test/clients/play.ts';
import { makeProfanity } from '../test/clients/profanity.ts';
import { startRig } from '../test/clients/rig.ts';
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

let failures = 0;
const leftOut: string[] = [];

async function test({ name, make, tls }: Entry): Promise<void> {
  const rig = await startRig({ tls });
  try {
    const client = await make(rig.account, join(rig.folder, name));
    try {
      console.log(`\n${name}: ${client.version}`);
      if (values.crowd === undefined) await client.start();
      if (values.crowd === undefined) await rig.tenant.operatorIs('olga', 'available');
      const { pictures } = values;
      const stage = {
        rig,
        client,
        async picture(what: string, jid: string | null) {
          if (pictures === undefined) return;
          await mkdir(pictures, { recursive: true });
          await client.screenshot(join(pictures, `${name}-${what}.png`), jid);
        },
      };
      if (values.crowd !== undefined) {
        const cost = await crowd(stage, Number(values.crowd), (line) => console.log(`  ${line}`));
        const list = (counts: readonly (readonly [string, number])[]) =>
          counts.map(([kind, count]) => `${count} ${kind}`).join(', ');
        console.log(`  the operator was ${cost.availability.join(', ')}`);
        console.log(`  sent: ${list(cost.sent)}`);
        console.log(`  received: ${list(cost.received)}`);
        console.log(`  sent at a second login: ${list(cost.sentAgain)}`);
        return;
      }
      if (values.transfers !== undefined) {
        const lost = await transfers(stage, Number(values.transfers));
        for (const line of lost) console.log(`  ${line}`);
        console.log(`  ${values.transfers} transfers, ${lost.length} with a line missing`);
        failures += lost.length;
        return;
      }
      const outcomes = await play(stage, values.scene, ({ scene, outcome, why }) => {
        console.log(`  ${scene.padEnd(24)} ${outcome}${why === undefined ? '' : `: ${why}`}`);
      });
      failures += outcomes.filter(({ outcome }) => outcome === 'failed').length;
    } finally {
      await client.close();
    }
  } finally {
    await rig.close();
  }
}

for (const entry of CLIENTS) {
  if (values.only.length > 0 && !values.only.includes(entry.name)) continue;
  try {
    await test(entry);
  } catch (error) {
    if (error instanceof Missing) leftOut.push(`${entry.name}: left out, ${error.message}`);
    else {
      failures += 1;
      console.log(`${entry.name}: failed: ${messageOf(error)}`);
    }
  }
}
for (const line of leftOut) console.log(line);
process.exit(failures === 0 ? 0 : 1);
