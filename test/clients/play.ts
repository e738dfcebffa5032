/** What every client has to do well: scenes, each with a visitor of its own. */
import xml from '@xmpp/xml';
import { waitFor } from '../support/wait.ts';
import type { Client } from './client.ts';
import { type Rig, SALES, SUPPORT } from './rig.ts';

/** A client that works on its roster, or a machine that is busy. */
const DEADLINE_MS = 60_000;

export interface Outcome {
  readonly scene: string;
  readonly outcome: 'passed' | 'failed' | 'cannot';
  readonly why?: string;
}

/** The client cannot do it: its limit, and no fault of ours. */
class Cannot extends Error {}

/** @throws unless each text is shown once, and in this order */
function checkOrder(messages: readonly string[], texts: readonly string[]): void {
  const all = messages.join('\n');
  let from = 0;
  for (const text of texts) {
    const at = all.indexOf(text, from);
    const times = all.split(text).length - 1;
    if (at < 0 || times !== 1) {
      throw new Error(`"${text}" is shown ${times} times, or in another place:\n${all}`);
    }
    from = at + text.length;
  }
}

/** Waits until the client shows the text in this conversation. */
async function has(client: Client, jid: string, text: string): Promise<void> {
  let messages: readonly string[] = [];
  await waitFor(
    async () => {
      messages = await client.messages(jid);
      return messages.some((each) => each.includes(text));
    },
    {
      deadlineMs: DEADLINE_MS,
      every: 200,
      what: () => `${client.name} to show "${text}" from ${jid}; it shows\n${messages.join('\n')}`,
    },
  );
}

/** It stands in whispers, and nowhere else. */
const SECRET = 'secret of the house';

export interface Stage {
  readonly rig: Rig;
  readonly client: Client;
  /** Writes a picture of this name with the conversation open, or of the contact list, if pictures are wanted. */
  picture(name: string, jid: string | null): Promise<void>;
}

/** A visitor who is on a page, and what the scenes ask about them. */
async function visitorOf({ rig: { tenant }, client }: Stage, key: string, nick: string) {
  const jid = tenant.visitorJid(key);
  await tenant.view(key, {
    page: `https://shop.test/shoes/${key}`,
    title: 'Shoes',
    nick,
    city: 'Berlin',
    country: 'Germany',
  });
  await waitFor(async () => (await client.contact(jid))?.name === nick, {
    deadlineMs: DEADLINE_MS,
    every: 200,
    what: `${nick} in the contact list`,
  });
  let texts = 0;
  return {
    jid,
    key,
    chatId: `c${key}`,
    async starts(department: string, body: string) {
      texts += 1;
      const message = { id: `${key}-${texts}`, body };
      await tenant.ask('POST', `/visitors/${key}/chats`, {
        chatId: `c${key}`,
        department,
        message,
      });
    },
    async writes(body: string) {
      texts += 1;
      await tenant.ask('POST', `/visitors/${key}/messages`, { id: `${key}-${texts}`, body });
    },
    /** Waits until the client has each of the texts, before anybody opens the conversation. */
    async gets(...bodies: readonly string[]): Promise<readonly string[]> {
      let messages: readonly string[] = [];
      await waitFor(
        async () => {
          messages = await client.messages(jid);
          return bodies.every((body) => messages.some((each) => each.includes(body)));
        },
        {
          deadlineMs: DEADLINE_MS,
          every: 200,
          what: () =>
            `${client.name} to show ${JSON.stringify(bodies)}; it shows\n${messages.join('\n')}`,
        },
      );
      return messages;
    },
    /** Waits until the client shows each of the texts once, in this order, also when the conversation is opened. */
    async shows(...bodies: readonly string[]) {
      await this.gets(...bodies);
      await client.open(jid);
      checkOrder(await this.gets(...bodies), bodies);
    },
    /** What LHC heard of this visitor, in order, without what comes and goes. */
    heard: () =>
      tenant.lhc
        .accepted()
        .filter(({ data }) => 'visitor' in data && data.visitor === key)
        .filter(({ type }) => !/^(operator\.|message\.)/.test(type)),
    /** Waits until LHC has heard exactly these types. */
    async lhcHeard(...types: readonly string[]) {
      await waitFor(() => this.heard().length >= types.length, {
        deadlineMs: DEADLINE_MS,
        what: () => `LHC to hear ${types}; it heard ${this.heard().map(({ type }) => type)}`,
      });
      const heard = this.heard().map(({ type }) => type);
      if (heard.join() !== types.join()) throw new Error(`LHC heard ${heard} and not ${types}`);
    },
    /** Waits until LHC has the operator's text. @returns its id */
    async lhcHas(body: string) {
      const { data } = await tenant.callback(
        'chat.message',
        (each) => each.visitor === key && each.message.body === body,
        DEADLINE_MS,
      );
      return data.message;
    },
    /** The end of a scene, however it went. */
    async leaves() {
      await tenant.call('POST', `/visitors/${key}/chats/c${key}/close`, { by: 'visitor' });
      await tenant.call('POST', `/visitors/${key}/timeout`, {});
    },
  };
}

type Visitor = Awaited<ReturnType<typeof visitorOf>>;
interface Scene {
  readonly name: string;
  readonly nick: string;
  play(stage: Stage, visitor: Visitor): Promise<void>;
}

const SCENES: readonly Scene[] = [
  {
    name: 'answer',
    nick: 'Anna',
    async play({ client, picture }, visitor) {
      await visitor.starts(SALES, 'Do you have these in 43?');
      await visitor.gets('Do you have these in 43?');
      await picture('waiting', null);
      await visitor.shows('Do you have these in 43?');
      await client.write(visitor.jid, 'Yes, in black.');
      await visitor.lhcHas('Yes, in black.');
      await visitor.writes('Great, thank you.');
      await visitor.shows('Do you have these in 43?', 'Yes, in black.', 'Great, thank you.');
      await visitor.lhcHeard('chat.assigned', 'chat.accepted', 'chat.message');
      await picture('chat', visitor.jid);
    },
  },
  {
    name: 'correct',
    nick: 'Bernd',
    async play({ client }, visitor) {
      if (!client.correct) throw new Cannot('it has no corrections');
      await visitor.starts(SALES, 'What does it cost?');
      await visitor.shows('What does it cost?');
      await client.write(visitor.jid, 'It costs 40 Euro.');
      const first = await visitor.lhcHas('It costs 40 Euro.');
      await client.correct(visitor.jid, 'It costs 45 Euro.');
      const second = await visitor.lhcHas('It costs 45 Euro.');
      if (second.replaces !== first.id) throw new Error('LHC does not know what is corrected');
    },
  },
  {
    name: 'close',
    nick: 'Clara',
    async play({ client }, visitor) {
      await visitor.starts(SALES, 'Only one question.');
      await visitor.shows('Only one question.');
      await client.write(visitor.jid, 'Here I am.');
      await visitor.lhcHas('Here I am.');
      await client.write(visitor.jid, '!close');
      await visitor.lhcHeard('chat.assigned', 'chat.accepted', 'chat.message', 'chat.closed');
    },
  },
  {
    name: 'take',
    nick: 'Dora',
    async play({ client, rig: { tenant } }, visitor) {
      await visitor.starts(SUPPORT, 'My parcel is late.');
      await tenant.callback('chat.assigned', ({ visitor: key }) => key === visitor.key);
      await client.write(visitor.jid, '!take');
      await tenant.callback(
        'chat.accepted',
        ({ visitor: key, operator }) => key === visitor.key && operator?.username === 'olga',
        DEADLINE_MS,
      );
      await visitor.shows('My parcel is late.');
      await client.write(visitor.jid, 'I look after it.');
      await visitor.lhcHas('I look after it.');
    },
  },
  {
    name: 'invitation',
    nick: 'Emil',
    async play({ client, rig: { tenant } }, visitor) {
      await client.write(visitor.jid, 'May I help you?');
      await tenant.callback(
        'visitor.invited',
        ({ visitor: key }) => key === visitor.key,
        DEADLINE_MS,
      );
      await visitor.starts(SUPPORT, 'Yes please, the shoes.');
      await visitor.shows('May I help you?', 'Yes please, the shoes.');
      await tenant.callback(
        'chat.assigned',
        ({ visitor: key, operator }) => key === visitor.key && operator?.username === 'olga',
        DEADLINE_MS,
      );
    },
  },
  {
    name: 'transfer to another',
    nick: 'Frida',
    async play({ client, rig: { paula } }, visitor) {
      await visitor.starts(SALES, 'It does not fit.');
      await visitor.shows('It does not fit.');
      await client.write(visitor.jid, 'My colleague helps you.');
      await visitor.lhcHas('My colleague helps you.');
      await client.write(visitor.jid, '!transfer paula');
      await paula.waitFor(
        ({ messages }) =>
          messages.some(
            ({ from, body }) => from.startsWith(visitor.jid) && body.includes('It does not fit.'),
          ),
        'what was said',
        DEADLINE_MS,
      );
      paula.send(visitor.jid, 'Paula here.');
      await visitor.lhcHas('Paula here.');
    },
  },
  {
    name: 'transfer from another',
    nick: 'Gustav',
    async play({ client, picture, rig: { paula } }, visitor) {
      await visitor.starts(SUPPORT, 'First question.');
      await paula.waitFor(
        ({ messages }) => messages.some(({ body }) => body.includes('First question.')),
        'the chat',
      );
      paula.send(visitor.jid, 'First answer.');
      await visitor.lhcHas('First answer.');
      await visitor.writes('Second question.');
      paula.send(visitor.jid, 'Second answer.');
      await visitor.lhcHas('Second answer.');
      paula.send(visitor.jid, '!transfer olga');
      await visitor.shows('First question.', 'First answer.', 'Second question.', 'Second answer.');
      await picture('transfer', visitor.jid);
      await client.write(visitor.jid, 'Olga here.');
      await visitor.lhcHas('Olga here.');
    },
  },
  {
    name: 'front desk',
    nick: 'Greta',
    async play({ client, picture, rig: { desk, tenant } }, visitor) {
      await waitFor(async () => /on the site/.test((await client.contact(desk))?.status ?? ''), {
        deadlineMs: DEADLINE_MS,
        every: 200,
        what: 'the front desk in the contact list',
      });
      await client.write(desk, '!who');
      await has(client, desk, 'Paula: available');
      await client.write(desk, '!invite Greta May I help you?');
      await tenant.callback(
        'visitor.invited',
        ({ visitor: key }) => key === visitor.key,
        DEADLINE_MS,
      );
      await visitor.starts(SALES, 'Yes, please.');
      await visitor.gets('Yes, please.');
      await client.write(desk, '!queue');
      await has(client, desk, 'Visitor Greta · sales');
      await picture('desk', desk);
    },
  },
  {
    name: 'menus',
    nick: 'Hugo',
    async play({ client, picture, rig: { desk } }) {
      if (!client.command) throw new Cannot('nobody drives its menus, or it has none');
      await client.open(desk);
      const shown = await client.command(`${desk}/xmpp-chat`, 'who');
      if (!shown.includes('Paula: available')) throw new Error(`it shows:\n${shown}`);
      await picture('menus', null);
    },
  },
  {
    name: 'reaction',
    nick: 'Ida',
    async play({ client, rig: { tenant } }, visitor) {
      if (!client.react) throw new Cannot('it has no reactions, or nobody drives them');
      await visitor.starts(SALES, 'I take them.');
      await visitor.shows('I take them.');
      await client.write(visitor.jid, 'Good choice.');
      await visitor.lhcHas('Good choice.');
      await client.react(visitor.jid, 'I take them.', '❤️');
      await tenant.callback(
        'message.reaction',
        ({ visitor: key, reactions }) => key === visitor.key && reactions.join() === '❤️',
        DEADLINE_MS,
      );
    },
  },
  {
    name: 'retraction',
    nick: 'Jakob',
    async play({ client, rig: { tenant } }, visitor) {
      if (!client.retract) throw new Cannot('it has no retractions, or nobody drives them');
      await visitor.starts(SALES, 'Where is my parcel?');
      await visitor.shows('Where is my parcel?');
      await client.write(visitor.jid, 'It is lost.');
      const { id } = await visitor.lhcHas('It is lost.');
      await client.retract(visitor.jid, 'It is lost.');
      await tenant.callback(
        'message.retracted',
        ({ visitor: key, messageId }) => key === visitor.key && messageId === id,
        DEADLINE_MS,
      );
    },
  },
  {
    name: 'room',
    nick: 'Karl',
    async play({ client, picture, rig: { tenant, paula } }, visitor) {
      const room = `visitor.${visitor.key}@conference.${tenant.host}`;
      const paulaReads = (text: string) =>
        paula.waitFor(
          ({ stanzas }) =>
            stanzas.some((each) => each.getChildText('body')?.includes(text) === true),
          `Paula to read "${text}"`,
          DEADLINE_MS,
        );
      await visitor.starts(SALES, 'Is it in stock?');
      await visitor.shows('Is it in stock?');
      await client.write(visitor.jid, 'I ask a colleague.');
      await visitor.lhcHas('I ask a colleague.');
      await client.write(visitor.jid, '!room paula');
      await client.accept(room, 'Olga');
      paula.sendStanza(
        xml('presence', { to: `${room}/Paula` }, xml('x', 'http://jabber.org/protocol/muc')),
      );
      await has(client, room, 'Is it in stock?'); // what was said before
      await paulaReads('Is it in stock?');
      await visitor.writes('In size 40, please.');
      await has(client, room, 'In size 40, please.');
      await client.write(room, 'We have a look.');
      const { id } = await visitor.lhcHas('We have a look.');
      if (client.correct) {
        await client.correct(room, 'We look.');
        const corrected = await visitor.lhcHas('We look.');
        if (corrected.replaces !== id) throw new Error('LHC does not know what is corrected');
      }
      await client.write(room, `!whisper ${SECRET} 1`);
      await paulaReads(`${SECRET} 1`);
      await client.whisper?.(room, 'Paula', `${SECRET} 2`);
      if (client.whisper) await paulaReads(`${SECRET} 2`);
      await picture('room', room);
      // What comes after the whispers has come, so they have come too.
      await client.write(room, 'It is here.');
      await visitor.lhcHas('It is here.');
      checkOrder(await client.messages(room), ['In size 40, please.']);
      const privately = await client.messages(visitor.jid);
      if (privately.some((each) => each.includes('In size 40, please.'))) {
        throw new Error(`the visitor is read twice:\n${privately.join('\n')}`);
      }
      const told = JSON.stringify(tenant.lhc.requests.map(({ callback }) => callback));
      if (told.includes(SECRET)) throw new Error('LHC was told a whisper');
    },
  },
  {
    name: 'restart in mid-chat',
    nick: 'Hanna',
    async play({ client, rig: { tenant } }, visitor) {
      await visitor.starts(SALES, 'Before it.');
      await visitor.shows('Before it.');
      await client.write(visitor.jid, 'Hello');
      await visitor.lhcHas('Hello');
      await client.kill();
      await visitor.writes('In between.');
      await client.start();
      await tenant.operatorIs('olga', 'available');
      await client.open(visitor.jid);
      await visitor.writes('After it.');
      await visitor.shows('In between.', 'After it.');
      // The same text, from a client that counts its messages from the beginning.
      await client.write(visitor.jid, 'Hello');
      await waitFor(
        () =>
          tenant
            .callbacks('chat.message')
            .filter(({ data }) => data.visitor === visitor.key && data.message.body === 'Hello')
            .length === 2,
        { deadlineMs: DEADLINE_MS, what: 'the second "Hello" to reach LHC' },
      );
    },
  },
];

/** Plays all scenes, or those that are named, one after the other. @param say told of each outcome */
export async function play(
  stage: Stage,
  only: readonly string[],
  say: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, scene] of SCENES.entries()) {
    if (only.length > 0 && !only.some((name) => scene.name.includes(name))) continue;
    let outcome: Outcome;
    let visitor: Visitor | undefined;
    try {
      visitor = await visitorOf(stage, String(index + 1), scene.nick);
      await scene.play(stage, visitor);
      outcome = { scene: scene.name, outcome: 'passed' };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      outcome = { scene: scene.name, outcome: error instanceof Cannot ? 'cannot' : 'failed', why };
    }
    await visitor?.leaves();
    outcomes.push(outcome);
    say(outcome);
  }
  return outcomes;
}
