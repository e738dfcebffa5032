/** A log with people in it, read by both sources; and a screen that keeps what is written. */
import { afterAll } from 'vitest';
import { openServiceSource } from '../../../src/cli/log/service-source.ts';
import type { LogSource } from '../../../src/cli/log/source.ts';
import { openStoreSource } from '../../../src/cli/log/store-source.ts';
import type { Screen } from '../../../src/cli/output/screen.ts';
import { openEventStore } from '../../../src/eventstore/open.ts';
import { serve } from '../../../src/http/serve.ts';
import { DELAYS, receive, sendMessage, startChat, viewPage } from '../../actors/facts.ts';
import { ADMIN, fakeApp } from '../../http/fakes.ts';
import { openRig, type Rig } from '../../support/rig.ts';

/** What a visitor may write to command the terminal of whoever reads it: red text, a title, a bidi override. */
export const HOSTILE = 'red \u001b[31m title \u001b]0;mine\u0007 c1 \u009b2J bidi \u202eevil';

export const VISITOR = 'visitor-acme.42';

/** A visitor who chats with an operator, and one whose data was erased. */
async function fill(rig: Rig): Promise<void> {
  const { clock } = rig;
  const profile = { page: '/shoes', nick: 'Ann' };
  await rig.toVisitor('42', { ...viewPage('shoes'), profile } as ReturnType<typeof viewPage>);
  clock.passes(20_000);
  await rig.toVisitor('42', startChat('c1', 'm1'));
  clock.passes(5_000);
  await rig.toVisitor('42', { ...sendMessage('m2'), body: HOSTILE } as ReturnType<
    typeof sendMessage
  >);
  clock.passes(60_000);
  await rig.toVisitor('42', receive('op1', 'o1'));
  await rig.toVisitor('gone', viewPage('secret', { ...DELAYS, hardTimeout: 5_000 }));
  await rig.vault.erase('acme.gone');
  await rig.visitor('43').send(viewPage('home'));
}

export interface Scene {
  readonly rig: Rig;
  readonly store: LogSource;
  readonly service: LogSource;
  /** Of the service. */
  readonly url: string;
}

/**
 * @param more other than the two visitors
 * @param eventStore the store of the log, `esdb://…`; default a SQLite file
 */
export async function openScene(
  more: (rig: Rig) => Promise<void> = async () => {},
  eventStore?: string,
): Promise<Scene> {
  const rig = await openRig(eventStore === undefined ? {} : { eventStore });
  await fill(rig);
  await more(rig);
  const { app } = fakeApp({ store: rig.store, vault: rig.vault, now: rig.now });
  const server = await serve(app, { host: '127.0.0.1', port: 0, variable: 'LISTEN' });
  const service = openServiceSource({ url: server.url, token: ADMIN });
  const url = eventStore ?? `sqlite:${rig.folder}/events.db`;
  const store = openStoreSource({
    store: await openEventStore(url, { besideWriter: () => {} }),
    name: eventStore ?? 'sqlite:events.db',
    serviceSecrets: ['wrapping'],
  });
  afterAll(async () => {
    await store.close();
    await server.close(0);
    await rig.close();
  });
  return { rig, store, service, url: server.url };
}

export interface TestScreen extends Screen {
  readonly lines: string[];
  readonly notes: string[];
  text(): string;
}

/** @param columns of the terminal; infinite: it is none */
export function testScreen(
  columns = Number.POSITIVE_INFINITY,
  now = Date.parse('2026-01-01T00:10:00Z'),
): TestScreen {
  const lines: string[] = [];
  const notes: string[] = [];
  return {
    columns,
    isWatched: false,
    now: () => now,
    style: (_style, text) => text,
    line: (text) => void lines.push(text),
    note: (text) => void notes.push(text),
    status: () => {},
    lines,
    notes,
    text: () => lines.join('\n'),
  };
}

/** A reading of a source on a screen of its own. */
export function readingOf(
  source: LogSource,
  more: { columns?: number; json?: boolean; signal?: AbortSignal } = {},
) {
  const screen = testScreen(more.columns);
  const { json = false, signal = new AbortController().signal } = more;
  return { source, screen, utc: true, json, signal };
}
