/** `xmpp-chat repl`: scripts on a history. Nothing of them reaches the log. */
import { expect, it } from 'vitest';
import { createSession } from '../../../src/cli/repl/session.ts';
import { runLines } from '../../../src/cli/repl.ts';
import { openScene, readingOf, VISITOR } from '../log/scene.ts';

const scene = await openScene();

async function run(kind: 'service' | 'store', ...script: string[]) {
  const reading = readingOf(scene[kind]);
  async function* lines() {
    yield* script;
  }
  const ended = await runLines(lines(), createSession(reading), reading, true);
  return {
    ended,
    text: reading.screen.text(),
    lines: reading.screen.lines,
    notes: reading.screen.notes,
  };
}

it.each(['service', 'store'] as const)('steps through a history of the %s', async (kind) => {
  const { ended, text } = await run(
    kind,
    `load ${VISITOR}`,
    'fold 0',
    'step 2',
    'state',
    'diff 0 2',
  );
  expect(ended).toBe(true);
  expect(text).toMatch(/^visitor-acme\.42: revisions 0 to \d+, visitor\/\d+\nat revision 0$/m);
  expect(text).toMatch(/^2026-01-01 00:00:20\.000Z {2}1 {2}ChatStarted {2}chatId=c1/m);
  expect(text).toMatch(/^ {2} {2}conversation +none +→ +waiting$/m);
  expect(text).toMatch(/ at revision 2, /);
});

it('decides a command, tells its effects, lets time pass, and takes it back', async () => {
  const before = await scene.rig.store.head();
  const { ended, text, lines } = await run(
    'store',
    `load ${VISITOR}`,
    'decide CloseChat {"chatId":"c1","by":"visitor","reason":null}',
    'wait 10m',
    'undo',
    'test',
    'reset',
    'commands',
  );
  expect(ended).toBe(true);
  expect(text).toMatch(/ChatClosed {2}chatId=c1/);
  expect(text).toMatch(/→ lhc: chat\.closed/);
  expect(text).toMatch(/TimedOut/);
  expect(text).toMatch(/the branch has 1 actions/);
  expect(text).toMatch(/import .* from 'vitest'|CloseChat/);
  expect(lines).toContain('StartChat');
  expect(await scene.rig.store.head()).toBe(before);
});

it('shows a refusal, and ends a script at an error that it names', async () => {
  const refused = await run(
    'store',
    `load ${VISITOR}`,
    'fold 0',
    'decide AcceptChat {"operator":"op1"}',
  );
  expect(refused.text).toMatch(/^refused: /m);
  for (const [line, reason] of [
    ['state', /nothing is loaded/],
    ['load visitor-acme.none', /has no facts of an actor/],
    ['jump', /jump is not known/],
  ] as const) {
    const { ended, notes } = await run('store', line, 'help');
    expect(ended).toBe(false);
    expect(notes).toEqual([expect.stringMatching(reason)]);
  }
  for (const [line, reason] of [
    ['decide NoSuchCommand', /is no command of a visitor .*\(commands lists what is\)$/],
    ['decide CloseChat {"chatId":', /is no JSON: (?!SyntaxError)/],
    ['decide CloseChat {"chatId":7}', /chatId: /],
    ['wait soon', /wait has to have a time/],
    ['fold 1000', /has the revisions 0 to/],
    ['test', /there is no branch/],
  ] as const) {
    const { notes } = await run('store', `load ${VISITOR}`, line);
    expect(notes).toEqual([expect.stringMatching(reason)]);
  }
});

it('completes what can be said', async () => {
  const reading = readingOf(scene.store);
  const session = createSession(reading);
  await session.run(`load ${VISITOR}`);
  expect(session.complete('st')).toEqual(['step', 'state']);
  expect(session.complete('decide StartC')).toEqual(['decide StartChat ']);
});
