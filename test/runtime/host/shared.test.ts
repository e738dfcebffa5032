/** Two hosts on one log, as in two processes: each decides on what the other one appended. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { visitorRef } from '../../../src/actors/ids.ts';
import { visitorState } from '../../../src/actors/visitor/decisions.ts';
import type { ActorHost } from '../../../src/runtime/host/host.ts';
import { closeChat, sendMessage, startChat, viewPage } from '../../actors/facts.ts';
import { visitorKey } from '../../support/names.ts';
import { ACME, openRig, type Rig } from '../../support/rig.ts';

const V1 = visitorRef(ACME, visitorKey('1'));
let rig: Rig;
let one: ActorHost;
let other: ActorHost;

beforeEach(async () => {
  rig = await openRig();
  one = rig.makeHost({ shared: true });
  other = rig.makeHost({ shared: true });
});
afterEach(() => rig.close());

const by = (host: ActorHost, command: Parameters<Rig['toVisitor']>[1]) =>
  rig.toVisitor('1', command, undefined, host);

describe('a fact of another process', () => {
  it('is known before a command is refused', async () => {
    await by(other, viewPage('a'));
    await by(one, startChat());
    expect((await by(other, sendMessage('m1'))).facts).toBe(1);
    await by(one, closeChat());
    await expect(by(other, sendMessage('m2'))).rejects.toMatchObject({ code: 'refused' });
  });

  it('is known before the answer that nothing has to be done', async () => {
    await by(other, viewPage('a'));
    expect((await by(other, viewPage('a'))).facts).toBe(0);
    await by(one, { type: 'TimeOut' });
    expect((await by(other, viewPage('a'))).facts).toBeGreaterThan(0);
  });

  it('is in the state that a reactor reads after the commit of the fact', async () => {
    const caughtUp = await rig.follow([], [other]);
    await by(other, viewPage('a'));
    await by(one, startChat());
    await caughtUp();
    const state = await other.load(V1);
    expect(state && visitorState(state.core).context.chat?.id).toBe('c1');
  });

  it('is neither lost nor doubled when both write at once', async () => {
    await by(one, viewPage('a'));
    await by(one, startChat());
    const sent = Array.from({ length: 40 }, (_, n) => `m${n}`);
    await Promise.all(sent.map((id, n) => by(n % 2 ? one : other, sendMessage(id))));
    const facts = await rig.facts('visitor-acme.1');
    const ids = facts.filter(({ type }) => type === 'VisitorMessageSent').map(({ data }) => data);
    expect(new Set(ids.map(({ messageId }) => messageId))).toEqual(new Set(sent));
    expect(ids).toHaveLength(sent.length);
  });
});
