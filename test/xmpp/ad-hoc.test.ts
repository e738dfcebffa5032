/** Ad-hoc commands (XEP-0050) as stanzas: what is read, what is answered, and the bounds. */
import xml, { type Element } from '@xmpp/xml';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  COMMANDS,
  type CommandReply,
  type CommandRequest,
  createAdHoc,
  FORM_MAX_CHARACTERS,
  FORM_MAX_FIELDS,
} from '../../src/xmpp/ad-hoc.ts';

const DISCO_INFO = 'http://jabber.org/protocol/disco#info';
const DISCO_ITEMS = 'http://jabber.org/protocol/disco#items';
const FORM = 'jabber:x:data';
const DESK = 'visitors@xmpp.test/xmpp-chat';
const OLGA = 'olga@xmpp.test/phone';

let reply: CommandReply | null;
let requests: CommandRequest[];
beforeEach(() => {
  reply = { kind: 'done', text: 'Done.' };
  requests = [];
});
const answer = createAdHoc({
  list: async (_to, from) => (from === OLGA ? [{ node: 'who', name: 'Who is there' }] : null),
  run: async (_to, from, request) => {
    requests.push(request);
    return from === OLGA ? reply : null;
  },
});
const ask = (type: string, content: Element, from = OLGA) =>
  answer(DESK, from, xml('iq', { type, id: 'x', to: DESK, from }, content));
const run = (attrs: object, ...children: Element[]) =>
  ask('set', xml('command', { xmlns: COMMANDS, node: 'who', ...attrs }, ...children));
const form = (values: Readonly<Record<string, string>>, type = 'submit') =>
  xml(
    'x',
    { xmlns: FORM, type },
    ...Object.entries(values).map(([name, value]) =>
      xml('field', { var: name }, ...value.split('\n').map((line) => xml('value', {}, line))),
    ),
  );

describe('discovery', () => {
  it('lists the commands, and says what each is', async () => {
    const list = await ask('get', xml('query', { xmlns: DISCO_ITEMS, node: COMMANDS }));
    expect(list?.toString()).toBe(
      `<query xmlns="${DISCO_ITEMS}" node="${COMMANDS}"><item jid="${DESK}" node="who" name="Who is there"/></query>`,
    );
    const info = await ask('get', xml('query', { xmlns: DISCO_INFO, node: 'who' }));
    expect(info?.getChild('identity')?.attrs).toMatchObject({
      category: 'automation',
      type: 'command-node',
    });
    const node = await ask('get', xml('query', { xmlns: DISCO_INFO, node: COMMANDS }));
    expect(node?.getChild('identity')?.attrs.type).toBe('command-list');
  });

  it('says nothing to strangers, as if there were nothing', async () => {
    for (const query of [
      xml('query', { xmlns: DISCO_ITEMS, node: COMMANDS }),
      xml('query', { xmlns: DISCO_INFO, node: COMMANDS }),
      xml('query', { xmlns: DISCO_INFO, node: 'who' }),
    ]) {
      const refused = await ask('get', query, 'eve@xmpp.test/x');
      expect(refused?.getChildElements().map(({ name }) => name)).toEqual(['item-not-found']);
    }
    const command = xml('command', { xmlns: COMMANDS, node: 'who' });
    expect((await ask('set', command, 'eve@xmpp.test/x'))?.getChild('item-not-found')).toBeTruthy();
  });

  it.each<[string, Element]>([
    ['features', xml('query', { xmlns: DISCO_INFO })],
    ['capabilities', xml('query', { xmlns: DISCO_INFO, node: 'urn:x#hash' })],
    ['items', xml('query', { xmlns: DISCO_ITEMS })],
    ['pings', xml('ping', { xmlns: 'urn:xmpp:ping' })],
  ])('leaves %s to others', async (_what, query) => {
    expect(await ask('get', query)).toBeNull();
  });
});

describe('a command', () => {
  it('is done at once: a note, and no table, which breaks clients', async () => {
    reply = { kind: 'done', text: 'Olga: available' };
    const done = await run({ action: 'execute' });
    expect(requests).toEqual([{ node: 'who', values: null }]);
    expect(done?.attrs).toMatchObject({ status: 'completed', node: 'who' });
    expect(done?.getChildElements().map(({ name }) => name)).toEqual(['note']);
    expect(done?.getChildText('note')).toBe('Olga: available');
  });

  it('asks for a form, and gets what was filled in, whatever the client calls its action', async () => {
    reply = {
      kind: 'form',
      form: {
        title: 'Note',
        instructions: 'For LHC',
        fields: [
          { type: 'text-multi', name: 'note', label: 'Note', required: true, value: 'a\nb' },
          {
            type: 'list-single',
            name: 'to',
            label: 'To',
            options: [{ value: 'olga', label: 'Olga <3' }],
          },
        ],
      },
    };
    const asked = await run({});
    const { sessionid, status } = asked?.attrs ?? {};
    expect(status).toBe('executing');
    expect(sessionid).toBeTruthy();
    expect(asked?.getChild('actions')?.attrs.execute).toBe('complete');
    const [note, to] = asked?.getChild('x', FORM)?.getChildren('field') ?? [];
    expect(note?.getChild('required')).toBeTruthy();
    expect(note?.getChildren('value').map((value) => value.text())).toEqual(['a', 'b']);
    expect(to?.getChild('option')?.attrs.label).toBe('Olga <3');
    expect(to?.getChildText('value')).toBe('olga');
    reply = { kind: 'done', text: 'Done.' };
    for (const action of ['execute', 'next', 'complete']) {
      const done = await run({ sessionid, action }, form({ note: 'one\ntwo' }));
      expect(done?.attrs).toMatchObject({ sessionid, status: 'completed' });
    }
    expect(requests.slice(1)).toEqual(
      Array.from({ length: 3 }, () => ({ node: 'who', values: { note: ['one', 'two'] } })),
    );
    await run({ sessionid, action: 'prev' }, form({ note: 'one' }));
    expect(requests.at(-1)?.values).toBeNull();
  });

  it('is cancelled without a trace', async () => {
    expect((await run({ action: 'cancel' }))?.attrs.status).toBe('canceled');
    expect((await run({}, form({}, 'cancel')))?.attrs.status).toBe('canceled');
    expect(requests).toEqual([]);
  });

  it('that is refused has a note of an error, and a faulty form names the field', async () => {
    reply = { kind: 'refused', reason: 'this chat belongs to Pia' };
    const refused = await run({});
    expect(refused?.getChild('note')?.attrs.type).toBe('error');
    expect(refused?.attrs.status).toBe('completed');
    const again = { title: 'Text', instructions: 'For the team', fields: [] };
    reply = { kind: 'form', form: again, fault: 'name: is empty' };
    const faulty = await run({}, form({ name: '' }));
    expect(faulty?.attrs.status).toBe('executing');
    expect(faulty?.getChild('note')?.attrs.type).toBe('error');
    expect(faulty?.getChildText('note')).toBe('name: is empty');
    expect(faulty?.getChild('x', FORM)?.getChildText('instructions')).toMatch(/^name: is empty/);
    reply = { kind: 'too-fast', reason: 'wait' };
    expect((await run({}))?.attrs).toEqual({ type: 'wait' });
    reply = null;
    expect((await run({ node: 'nothing' }))?.getChild('item-not-found')).toBeTruthy();
  });

  it.each<[string, object, Element[]]>([
    ['an unknown action', { action: 'dance' }, []],
    ['a node of a megabyte', { node: 'x'.repeat(1_000_000) }, []],
    ['a long text', {}, [form({ text: 'x'.repeat(FORM_MAX_CHARACTERS + 1) })]],
    [
      'many fields',
      {},
      [
        form(
          Object.fromEntries(Array.from({ length: FORM_MAX_FIELDS + 1 }, (_, n) => [`f${n}`, ''])),
        ),
      ],
    ],
  ])('%s is refused, and nobody is asked', async (_what, attrs, children) => {
    const refused = await run(attrs, ...children);
    expect(refused?.getChild('bad-request')).toBeTruthy();
    expect(refused?.toString().length).toBeLessThan(1_000);
    expect(requests).toEqual([]);
  });

  it('a long session id is not repeated', async () => {
    const done = await run({ sessionid: 'x'.repeat(10_000) });
    expect(done?.attrs.sessionid?.length).toBeLessThan(100);
  });

  it('any text in a reply is text that XML can carry', () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        reply = { kind: 'done', text };
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect((await run({}))?.toString()).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
      }),
    ));
});
