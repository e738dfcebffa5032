/** What a visitor is typing, for the operator who has the chat. Time is the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createPreviews,
  PREVIEW_INTERVAL_MS,
  PREVIEW_MAX_CHARACTERS,
  previewText,
} from '../../../src/reactors/conversation/visitor-preview.ts';
import { createTyping } from '../../../src/reactors/conversation/visitor-typing.ts';
import {
  acceptChat,
  assignChat,
  register,
  sendMessage,
  startChat,
  transferChat,
  viewPage,
} from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { visitorKey } from '../../support/names.ts';
import { ACME, jidOf, openRig, type Rig, silent } from '../../support/rig.ts';

describe('its pace', () => {
  beforeEach(
    () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }),
  );
  afterEach(() => void vi.useRealTimers());

  const recorded = () => {
    const seen: string[] = [];
    const preview = (_: string, to: string, status: string | null) =>
      void seen.push(`${to} ${status}`);
    return { seen, ...createPreviews({ transport: { preview }, now: () => performance.now() }) };
  };

  it('the first at once, then the newest when the last one is old enough', () => {
    const { seen, show } = recorded();
    for (const typed of ['H', 'He', 'Hel']) show('s', 'v', 'op', typed);
    expect(seen).toEqual(['op Writes: H']);
    vi.advanceTimersByTime(PREVIEW_INTERVAL_MS - 1);
    expect(seen).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(['op Writes: H', 'op Writes: Hel']);
    show('s', 'v', 'op', 'Hel');
    vi.advanceTimersByTime(10 * PREVIEW_INTERVAL_MS);
    expect(seen).toHaveLength(2);
  });

  it('its end is at once, and nothing comes behind it', () => {
    const { seen, show, end } = recorded();
    show('s', 'v', 'op', 'H');
    show('s', 'v', 'op', 'He');
    end('s');
    end('s');
    vi.advanceTimersByTime(10 * PREVIEW_INTERVAL_MS);
    expect(seen).toEqual(['op Writes: H', 'op null']);
  });

  it('another operator sees it when the first one does not any more', () => {
    const { seen, show } = recorded();
    show('s', 'v', 'op1', 'H');
    show('s', 'v', 'op2', 'H');
    expect(seen).toEqual(['op1 Writes: H', 'op1 null', 'op2 Writes: H']);
  });
});

it('is one line, and of a long text the end', () => {
  expect(previewText('a\nb\u2028c ')).toBe('Writes: a b c');
  const long = `${'x'.repeat(PREVIEW_MAX_CHARACTERS)}end`;
  expect(previewText(long)).toBe(`Writes: …${long.slice(-PREVIEW_MAX_CHARACTERS)}`);
  const pictures = '👩'.repeat(PREVIEW_MAX_CHARACTERS);
  expect(previewText(`${pictures}x`).isWellFormed()).toBe(true);
});

describe('who sees it', () => {
  let rig: Rig;
  let ejabberd: ReturnType<typeof fakeEjabberd>;
  let typing: ReturnType<typeof createTyping>;
  afterEach(() => rig.close());

  async function opened(
    settings: Record<string, unknown> = { typingPreview: true },
  ): Promise<void> {
    rig = await openRig({ settings });
    ejabberd = fakeEjabberd();
    const { actors, tenants, now } = rig;
    const { transport, admin } = ejabberd;
    typing = createTyping({ actors, tenants, now, transport, admin, logger: silent });
    await rig.toOperator('op1', register());
    await rig.toVisitor('1', viewPage());
    await ejabberd.admin.register(jidOf('1'), 'x');
    await transport.online(jidOf('1'), { status: '', nick: '' });
    await rig.toVisitor('1', startChat('c1', 'm1'));
    await rig.toVisitor('1', assignChat('op1'));
  }
  const types = (preview?: string, state: 'composing' | 'paused' | 'active' = 'composing') =>
    typing.forward(ACME, visitorKey('1'), state, preview);
  const committed = async (from: number) =>
    typing.onCommit((await rig.facts('visitor-acme.1')).slice(from));
  const shown = () => ejabberd.previews.map((line) => line.split(' ').slice(1).join(' '));

  it('nobody, unless the tenant wants it', async () => {
    await opened({});
    await rig.toVisitor('1', acceptChat('op1'));
    await types('Hello');
    expect(ejabberd.typed).toHaveLength(1);
    expect(shown()).toEqual([]);
  });

  it('not who is only asked', async () => {
    await opened();
    await types('Hello');
    expect(shown()).toEqual([]);
    await rig.toVisitor('1', acceptChat('op1'));
    await types('Hello');
    expect(shown()).toEqual(['op1@xmpp.test Writes: Hello']);
  });

  it.each([['paused'], ['active']] as const)('until the visitor is %s', async (state) => {
    await opened();
    await rig.toVisitor('1', acceptChat('op1'));
    await types('Hello');
    await types(undefined, state);
    expect(shown()).toEqual(['op1@xmpp.test Writes: Hello', 'op1@xmpp.test null']);
  });

  it.each([
    ['the message comes', sendMessage('m2')],
    ['the chat is somebody else’s', transferChat('op1', 'op2', 'r2')],
  ])('until %s', async (_, command) => {
    await opened();
    await rig.toOperator('op2', register());
    await rig.toVisitor('1', acceptChat('op1'));
    await types('Hello');
    const before = (await rig.facts('visitor-acme.1')).length;
    await rig.toVisitor('1', command);
    await committed(before);
    expect(shown()).toEqual(['op1@xmpp.test Writes: Hello', 'op1@xmpp.test null']);
  });

  it('it is in no fact', async () => {
    await opened();
    await rig.toVisitor('1', acceptChat('op1'));
    const before = (await rig.facts('visitor-acme.1')).length;
    await types('Hello');
    expect(await rig.facts('visitor-acme.1')).toHaveLength(before);
  });
});
