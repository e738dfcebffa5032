/** One stream through time: what the page shows is compared with the fold of the same facts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DECIDERS } from '../../src/actors/deciders.ts';
import { actorOf } from '../../src/actors/ids.ts';
import { emptyState, fold, type StoredFact } from '../../src/actors/machine/decider.ts';
import { serialize } from '../../src/actors/machine/state-json.ts';
import type { JsonObject } from '../../src/kit/json.ts';
import { waitFor } from '../support/wait.ts';
import type { World } from '../support/world.ts';
import type { ConsolePage } from './page.ts';

const STREAM = 'visitor-acme.7';
const PAGE = `/console/streams/${STREAM}`;

const ROOT = join(import.meta.dirname, '../..');

/** Runs the tests of a folder in a process of its own. @returns what it printed, without colours */
async function runVitest(folder: string): Promise<string> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--config', 'vitest.fast.config.ts', folder];
  const env = { ...process.env, NO_COLOR: '1', VITEST: '' };
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  await once(child, 'close');
  return printed;
}

type Recorded = StoredFact & { readonly id: string };

/** The visitor's state after so many facts, without any code of the debugger. */
function foldOf(stream: string, facts: readonly Recorded[], revision: number): JsonObject {
  const actor = actorOf(stream);
  if (!actor) throw new Error(`${stream} is no actor's`);
  const decider = DECIDERS[actor.kind];
  return serialize(fold(decider, emptyState(decider), facts.slice(0, revision + 1)));
}

/** The test of a stream's page. The page is logged in, and the scene has been played. */
export function timelineTests(page: ConsolePage, world: World): void {
  const acme = world.tenant('acme');
  const factsOf = async (stream: string): Promise<readonly Recorded[]> =>
    (await world.service.call('GET', `/debug/streams/${stream}?limit=500`)).body.items;

  /** The value of an expression as JSON. */
  const read = async (expression: string): Promise<unknown> =>
    JSON.parse(String(await page.evaluate(`JSON.stringify(${expression})`)));
  const texts = (selector: string) =>
    read(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((each) => each.textContent)`,
    );
  const atFact = (revision: number) => page.has(`.step[data-revision="${revision}"]`);
  const address = () => read('location.pathname + location.search');

  /** What the page says of the state: in words, in the drawing, and the context as JSON. */
  async function shownState() {
    await page.click('[aria-labelledby=context-heading] summary', 'As JSON');
    await page.has('[aria-labelledby=context-heading] pre');
    const context = await read(
      "JSON.parse(document.querySelector('[aria-labelledby=context-heading] pre').textContent)",
    );
    const words = (await read(
      "[...document.querySelectorAll('.now [data-region]')].map((each) => [each.dataset.region, each.querySelector('strong').textContent])",
    )) as [string, string][]; // as the expression says
    await page.has('svg [data-active=true]');
    const drawn = await read(
      "[...document.querySelectorAll('svg [data-active=true]')].map((each) => each.dataset.state).sort()",
    );
    return { value: Object.fromEntries(words), drawn, context };
  }

  async function showsTheFoldOf(stream: string, facts: readonly Recorded[], revision: number) {
    await atFact(revision);
    const { value, context } = foldOf(stream, facts, revision);
    const states = Object.entries(value as Record<string, string>); // a visitor's value by its regions
    expect(await shownState(), `fact ${revision}`).toEqual({
      value,
      drawn: states.map(([region, state]) => `visitor.${region}.${state}`).sort(),
      context,
    });
  }

  describe('one stream through time', () => {
    it('shows at each step what the fold has, forth and back by keys', async () => {
      const facts = await factsOf(STREAM);
      await page.open(PAGE);
      await atFact(facts.length - 1);
      await page.key('Home');
      for (const { revision } of facts) {
        await showsTheFoldOf(STREAM, facts, revision);
        if (revision < facts.length - 1) await page.key('ArrowRight');
      }
      for (const back of [2, 3]) {
        await page.key('ArrowLeft');
        await showsTheFoldOf(STREAM, facts, facts.length - back);
      }
      await page.key('Home');
      await atFact(0);
      await page.key('PageDown');
      await atFact(Math.min(10, facts.length - 1));
      await page.key('End');
      await atFact(facts.length - 1);
    });

    it('marks what a fact changed, and the transition that it made', async () => {
      const accepted = (await factsOf(STREAM)).find(({ type }) => type === 'ChatAccepted');
      await page.open(`${PAGE}?revision=${accepted?.revision}`);
      await page.has('.chip.taken', 'waiting → chatting: ChatAccepted');
      await page.has('svg .arrow.taken');
      expect(await texts('.tree li.changed')).toContain('acceptedchanged false → true');
      expect(await texts('tr[data-timer*=offerTimeout] .mark')).toEqual(['cancelled']);
      expect(await texts('tr[data-timer*=chatIdle] .mark')).toEqual(['armed', 'cancelled']);
      expect(await page.findings()).toEqual([]);
    });

    it('has the fact in the address, and shows it again from there', async () => {
      await page.open(`${PAGE}?revision=3`);
      await atFact(3);
      await page.key('ArrowRight');
      await waitFor(async () => (await address()) === `${PAGE}?revision=4`, {
        what: 'the address',
      });
      await page.open(String(await address()));
      await atFact(4);
      await page.has('[role=option][aria-selected=true]', '4');
    });

    it('goes to a time, and to a fact of one type', async () => {
      const facts = await factsOf(STREAM);
      const [first, last] = [facts[0], facts.at(-1)];
      const zone = Number(await read('new Date().getTimezoneOffset()'));
      const local = (at: number) => new Date(at - zone * 60_000).toISOString().slice(0, -1);
      const goTo = async (at: number, button: string) => {
        await page.choose('input[type=datetime-local]', local(at));
        await page.click('button', button);
      };
      const middle = facts[5]?.metadata.at ?? 0;
      await goTo(middle, 'What held then');
      await atFact(facts.findLastIndex(({ metadata }) => metadata.at <= middle));
      await goTo(middle + 1, 'Next fact after');
      await atFact(facts.findIndex(({ metadata }) => metadata.at > middle));
      await goTo((first?.metadata.at ?? 0) - 1, 'What held then');
      await page.sees('The first fact is later.');
      await goTo((last?.metadata.at ?? 0) + 1, 'Next fact after');
      await page.sees('All facts are earlier.');

      const sent = facts.filter(({ type }) => type === 'VisitorMessageSent');
      await page.click('summary', 'Types');
      await page.click('.filter label', 'VisitorMessageSent');
      await page.has(`[role=option][aria-setsize="${sent.length}"]`);
      await page.key('Home');
      for (const { revision } of sent) {
        await atFact(revision);
        await page.key('ArrowRight');
      }
      await page.click('button', 'Show all');
    });

    it('compares two steps', async () => {
      await page.open(`${PAGE}?revision=3`);
      await page.click('button', 'Compare from here');
      await page.key('End');
      await page.sees('waiting → chatting');
      await page.has('.diff th', 'chat.accepted');
      expect(await page.findings('.diff')).toEqual([]);
      await page.click('button', 'End comparing');
    });

    it('follows a live stream, and shows hidden characters of what visitors write', async () => {
      await page.open(PAGE);
      const before = (await factsOf(STREAM)).length;
      await atFact(before - 1);
      await acme.ask('POST', '/visitors/7/messages', { id: 'm-live', body: '<b>red\u202e</b>' });
      const sent = (await factsOf(STREAM)).findLast(({ type }) => type === 'VisitorMessageSent');
      await page.has(`[role=option][aria-posinset="${(sent?.revision ?? 0) + 1}"]`);
      await page.open(`${PAGE}?revision=${sent?.revision}`);
      await page.has('.said', '<b>redU+202E</b>');
      expect(await texts('.said .sign')).toEqual(['U+202E']);
    });

    it('tries what would happen otherwise, and nothing of it happens', async () => {
      const facts = await factsOf(STREAM);
      const accepted = facts.findIndex(({ type }) => type === 'ChatAccepted');
      await page.open(`${PAGE}?revision=${accepted}`);
      await page.click('button', 'Branch here');
      await page.has('#what-if-heading', `from fact ${accepted} on`);

      await page.choose('.action-form select', 'CloseChat');
      await page.has('.action-form label', 'chatId');
      await page.click('.action-form button', 'Send the command');
      await page.click('.branch-step', 'ChatClosed');
      await page.sees(`Not real: would be fact ${accepted + 1} ChatClosed`);
      await page.has('[data-region=conversation] strong', 'none');
      await page.has('.effects li', 'not performed');
      expect(await page.findings()).toEqual([]);

      await page.click('label', 'Time passes');
      await page.click('button', 'Until hardTimeout is due');
      await page.has('.branch-step', 'TimedOut');
      await page.evaluate('document.activeElement.blur()'); // among radio buttons the arrows choose one
      await page.key('ArrowRight');
      await page.has('[data-region=presence] strong', 'timedOut');
      await page.key('ArrowLeft');
      await page.key('ArrowLeft');
      await atFact(accepted);
      await page.has('#fact-heading', `Fact ${accepted}`);

      await page.click('label', 'Command');
      await page.choose('.action-form select', 'AcceptChat');
      await page.has('.action-form label', 'operator');
      await page.choose('.action-form input[type=text]', 'olga');
      await page.click('.action-form button', 'Send the command');
      await page.has('.refused', 'refused');
      await page.click('button', 'Undo');
      await waitFor(async () => !(await read("document.querySelector('.refused') !== null")), {
        what: 'the refusal to go',
      });
      await page.click('button', 'Redo');
      await page.has('.refused');

      // The tab keeps the branch, and the log knows nothing of it.
      await page.open(`${PAGE}?revision=0`);
      await page.has('.branch-step', 'TimedOut');
      expect((await factsOf(STREAM)).map(({ id }) => id)).toEqual(facts.map(({ id }) => id));
    });

    it('saves the branch as a test, which passes', async () => {
      await page.click('button', 'Save as test');
      const [file = ''] = (await texts('.test-file')) as string[]; // as the expression says
      expect(file).toContain('ChatClosed');
      expect(await page.findings('.what-if')).toEqual([]);
      const folder = await mkdtemp(join(ROOT, 'test/actors/from-the-console-'));
      try {
        // Its imports are those of a file in test/actors.
        const moved = file.replaceAll(
          /from '(\.\.?\/)/g,
          (_, up) => `from '${up === './' ? '../' : '../../'}`,
        );
        await writeFile(join(folder, 'saved.test.ts'), moved);
        // The same with another outcome, to see that the test looks at what comes out.
        const other = moved.replaceAll('ChatClosed', 'ChatStarted');
        await writeFile(join(folder, 'other.test.ts'), other);
        const run = await runVitest(relative(ROOT, folder));
        expect(run).toMatch(/✓.*saved\.test\.ts/);
        expect(run).toMatch(/Tests\s+1 failed \| 1 passed/);
      } finally {
        await rm(folder, { recursive: true });
      }
      await page.click('button', 'Close the branch');
      await waitFor(async () => !(await read("document.querySelector('.what-if') !== null")), {
        what: 'the branch to go',
      });
    });

    it('follows a cause to the operator, and comes back', async () => {
      const started = (await factsOf(STREAM)).find(({ type }) => type === 'ChatStarted');
      const here = `${PAGE}?revision=${started?.revision}`;
      await page.open(here);
      await page.click('.causes a', 'operator-acme.olga');
      await page.has('h1', 'operator-acme.olga');
      const revision = Number(/revision=(\d+)$/.exec(String(await address()))?.[1]);
      const fact = (await factsOf('operator-acme.olga'))[revision];
      expect(fact?.type).toMatch(/^Chat(Reserved|Confirmed)$/);
      await page.has('#fact-heading', `Fact ${revision} ${fact?.type}`);
      await page.has('.causes a', `ChatStarted ${STREAM} #${started?.revision}`);
      await page.evaluate('history.back()');
      await page.has('#fact-heading', `Fact ${started?.revision} ChatStarted`);
      expect(await address()).toBe(here);
    });

    it('shows effects with their outcome and attempts', async () => {
      const sent = (await factsOf(STREAM)).find(({ type }) => type === 'VisitorMessageSent');
      await page.open(`${PAGE}?revision=${sent?.revision}`);
      await page.has('.effects li', 'done');
      await page.click('.effects summary', 'attempt');
      await page.has('.effects ol li');
      expect(await page.findings('.step')).toEqual([]);
    });

    it('says at its place that a fact does not fit, or cannot be loaded', async () => {
      await page.open(`${PAGE}?revision=1`);
      await atFact(1);
      // As the service would answer after a change of the machine.
      await page.evaluate(`(() => {
        const { fetch } = window;
        window.fetch = async (...args) => {
          const response = await fetch(...args);
          if (!String(args[0]).includes('/steps')) return response;
          const body = await response.json();
          body.items[1].unfit = { reason: 'ChatStarted does not fit the state at revision 0' };
          return Response.json(body);
        };
        return true;
      })()`);
      await page.click('button', 'Read again');
      await page.sees('This fact does not fit the machine of this version.');
      await page.has('[role=option]', 'does not fit');
      expect(await page.findings('.stream')).toEqual([]);
      await page.evaluate(`(() => {
        const { fetch } = window;
        window.fetch = (...args) => String(args[0]).includes('/steps') ? Promise.reject(new TypeError()) : fetch(...args);
        return true;
      })()`);
      await page.click('button', 'Read again');
      await page.sees('Not shown: fact 1. the service did not answer');
    });

    it('shows what an erased visitor said as erased, also where it was on the screen', async () => {
      const stream = 'visitor-acme.10';
      await page.open(`/console/streams/${stream}?revision=0`);
      await page.has('.step .said', 'https://shop.test/');
      await acme.ask('DELETE', '/visitors/10?erase=true');
      await page.has('.step .erased');
      await page.has('[role=option]', 'PersonalDataErased');
      expect(await page.text()).not.toContain('https://shop.test/');
    });
  });
}
