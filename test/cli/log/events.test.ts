/** `xmpp-chat events` and `state`: what people and programs get. */
import { describe, expect, it } from 'vitest';
import { showDiff } from '../../../src/cli/diff.ts';
import { type EventsOptions, showEvents } from '../../../src/cli/events.ts';
import type { LogSource } from '../../../src/cli/log/source.ts';
import { showState } from '../../../src/cli/state.ts';
import { AppError } from '../../../src/errors.ts';
import { sendMessage } from '../../actors/facts.ts';
import { waitFor } from '../../support/wait.ts';
import { HOSTILE, openScene, readingOf, VISITOR } from './scene.ts';

const scene = await openScene();

async function run(
  stream: string | undefined,
  options: EventsOptions = {},
  more: Parameters<typeof readingOf>[1] = {},
) {
  const reading = readingOf(scene.service, more);
  await showEvents(stream, options, reading);
  return reading.screen;
}

describe('events', () => {
  it('shows a stream with times, data and personal data in columns', async () => {
    const { lines } = await run(VISITOR);
    expect(lines[0]).toMatch(
      /^2026-01-01 00:00:00\.000Z +0 {2}VisitorArrived +digest=shoes .*page=\/shoes nick=Ann$/,
    );
    expect(lines).toHaveLength((await scene.rig.types(VISITOR)).length);
  });

  it('lets no visitor write to the terminal', async () => {
    for (const json of [false, true]) {
      const text = (await run(VISITOR, {}, { json })).text();
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(text).toContain('\\u001b[31m');
    }
    const bodies = (await run(VISITOR, {}, { json: true })).lines.map(
      (line) => JSON.parse(line).personal?.body,
    );
    expect(bodies).toContain(HOSTILE);
  });

  it('fits the terminal', async () => {
    for (const line of (await run(undefined, {}, { columns: 100 })).lines) {
      expect(line.length).toBeLessThanOrEqual(100);
    }
    expect((await run(undefined, {}, { columns: 100 })).text()).toContain('…');
  });

  it('shows erased data as erased', async () => {
    expect((await run('visitor-acme.gone')).text()).toMatch(/\(erased\)$/);
  });

  it('filters by type, tenant, time and number', async () => {
    const types = async (options: EventsOptions, stream?: string) =>
      (await run(stream, options, { json: true })).lines.map((line) => JSON.parse(line).type);
    expect(await types({ type: ['VisitorArrived'], all: true })).toHaveLength(3);
    expect(await types({ tenant: 'nobody' })).toEqual([]);
    expect(await types({ last: 1 }, VISITOR)).toEqual(['OperatorMessageReceived']);
    expect(await types({ type: ['VisitorMessageSent'], last: 1 }, VISITOR)).toHaveLength(1);
    const late = { since: '2026-01-01T00:00:20Z', until: '2026-01-01T00:00:24Z' };
    expect(await types(late, VISITOR)).toEqual(['ChatStarted', 'VisitorMessageSent']);
    expect(await types({ ...late, type: ['ChatStarted'] })).toEqual(['ChatStarted']);
    expect(await types({ since: '9m ago', all: true })).toContain('OperatorMessageReceived');
    expect((await run('visitor-acme.none')).notes).toEqual([
      'no events in visitor-acme.none: xmpp-chat streams --text visitor-acme.none looks for its name',
    ]);
    const none = await run(VISITOR, { type: ['Slip'] });
    expect(none.notes).toEqual([`no such events in ${VISITOR}`]);
  });

  it('shows every field and the ids in long', async () => {
    const text = (await run(VISITOR, { last: 1, long: true })).text();
    expect(text).toMatch(/^ {4}body +"How can I help\?"$/m);
    expect(text).toMatch(/^ {4}correlation +auto:/m);
  });

  it('says what is wrong with the options', async () => {
    await expect(run(VISITOR, { since: 'soon' })).rejects.toThrow(/^--since has to be a time/);
    await expect(run(VISITOR, { all: true })).rejects.toThrow(/not both/);
    await expect(run(undefined, { until: 'now', follow: true })).rejects.toThrow(/^--until/);
  });

  it.each([undefined, VISITOR])('follows what comes, over a restart: %s', async (stream) => {
    const ending = new AbortController();
    let isAway = false;
    const broken = <T>(work: () => Promise<T>): Promise<T> => {
      if (isAway) throw new AppError('unavailable', 'no service answers');
      return work();
    };
    const source: LogSource = {
      ...scene.store,
      readStream: async (...args) => broken(() => scene.store.readStream(...args)),
      readLog: async (...args) => broken(() => scene.store.readLog(...args)),
    };
    const reading = readingOf(source, { json: true, signal: ending.signal });
    const following = showEvents(stream, { follow: true, last: 2 }, reading);
    const { lines, notes } = reading.screen;
    await waitFor(() => lines.length === 2);
    await scene.rig.toVisitor('42', sendMessage(`${stream}-3`));
    await waitFor(() => lines.length > 2);
    isAway = true;
    await waitFor(() => notes.length === 1);
    await scene.rig.toVisitor('42', sendMessage(`${stream}-4`));
    isAway = false;
    await waitFor(() => lines.some((line) => JSON.parse(line).data.messageId === `${stream}-4`));
    expect(notes).toEqual([expect.stringMatching(/trying again/), 'it answers again']);
    ending.abort();
    await following;
    const ids = lines.map((line) => JSON.parse(line).id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('state', () => {
  it('shows regions, timers and context, now and then', async () => {
    const reading = readingOf(scene.store);
    await showState(VISITOR, { at: '2' }, reading);
    const text = reading.screen.text();
    expect(text).toMatch(/^visitor-acme\.42 at revision 2, 2026-01-01 00:00:20\.000Z, by visitor/);
    expect(text).toMatch(/^ {2}conversation +waiting$/m);
    expect(text).toMatch(
      /^ {2}chatIdle \(visitor\.conversation\.waiting\) .*1 d after this fact$/m,
    );
    expect(reading.screen.notes).toEqual([]);
    const late = readingOf(scene.store);
    await showState(VISITOR, { at: '999' }, late);
    expect(late.screen.notes).toEqual([expect.stringMatching(/^there is no fact 999: .* ends at/)]);
    const now = readingOf(scene.store);
    await showState(VISITOR, {}, now);
    expect(now.screen.text()).toMatch(/ ago, by visitor.*\n.*\n {2}presence +online$/m);
  });

  it.each(['store', 'service'] as const)(
    'says of a timer that is over whether it is late, or does nothing in this state: %s',
    async (source) => {
      // An operator has answered, so the visitor does not time out. It is a year later.
      const reading = readingOf(scene[source]);
      const later = { ...reading.screen, now: () => Date.UTC(2027, 0, 1) };
      await showState(VISITOR, {}, { ...reading, screen: later });
      const text = reading.screen.text();
      expect(text).toMatch(/^ {2}hardTimeout .* ago, does nothing in this state$/m);
      expect(text).toMatch(/^ {2}chatIdle .* ago: late$/m);
      // While the chat waits, both would fire.
      const before = readingOf(scene[source]);
      await showState(VISITOR, { at: '2' }, before);
      expect(before.screen.text()).not.toMatch(/does nothing|late$/m);
    },
  );

  it('gives JSON, and says what it does not find', async () => {
    const reading = readingOf(scene.service, { json: true });
    await showState(VISITOR, { time: '2026-01-01T00:00:20Z' }, reading);
    expect(JSON.parse(reading.screen.text())).toMatchObject({ revision: 2 });
    await expect(showState('visitor-acme.none', {}, reading)).rejects.toThrow(/has no facts/);
    await expect(showState(VISITOR, { time: '2025-12-31' }, reading)).rejects.toThrow(
      /up to there: xmpp-chat events visitor-acme\.42 shows where it begins$/,
    );
    await expect(showState(VISITOR, { at: 'x' }, reading)).rejects.toThrow(/^--at has to be a rev/);
    await expect(showState(VISITOR, { at: '1', time: 'now' }, reading)).rejects.toThrow(/not both/);
  });
});

describe('diff', () => {
  it('shows regions, changed paths and timers, before and after', async () => {
    const reading = readingOf(scene.store);
    await showDiff(VISITOR, '0', '2', reading);
    const text = reading.screen.text();
    expect(text).toMatch(/^ {2}conversation +none +→ +waiting$/m);
    expect(text).toMatch(/^ {2}chat\S* +null +→ +/m);
    expect(text).toMatch(/^ {2}chatIdle \(.*\) +not running +→ +2026-01-02 00:00:20\.000Z$/m);
    const same = readingOf(scene.store);
    await showDiff(VISITOR, '1', '1', same);
    expect(same.screen.text()).toMatch(/nothing differs$/);
    await expect(showDiff(VISITOR, 'x', '1', same)).rejects.toThrow(/^<a> has to be a revision/);
    await expect(showDiff('tenant-none', '0', '1', same)).rejects.toThrow(/no facts of an actor/);
  });
});
