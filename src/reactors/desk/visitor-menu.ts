/** The commands of a visitor's menu: those of the conversation with them. */
import { load } from '../../actors/operator/decisions.ts';
import { CannedName } from '../../actors/tenant/canned-texts.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { CommandPlace } from '../../inbox/operator-commands/carry-out.ts';
import { readWritten } from '../../inbox/operator-commands/read.ts';
import { onOneLine } from '../../kit/lines.ts';
import type { CannedTextStore } from '../../runtime/desk-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import {
  type AdHocCommand,
  type Asked,
  choice,
  faulty,
  field,
  type MenuTools,
  text,
} from './menu.ts';

/** Operators and departments to choose from in one form. */
export const RECEIVERS_MAX = 50;
/** Texts to choose from in one form. The others are sent by their names. */
export const CANNED_CHOICES_MAX = 100;

export interface VisitorMenuOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly canned: Pick<CannedTextStore, 'all'>;
  readonly names: Pick<OperatorNames, 'of'>;
  /** Registered operators of a tenant. */
  readonly operatorsOf: (tenant: Tenant['id']) => readonly CommandPlace['operator']['name'][];
}

export function createVisitorMenu(
  { actors, canned, names, operatorsOf }: VisitorMenuOptions,
  { doIt, simple, question }: MenuTools,
): readonly AdHocCommand[] {
  const useCanned: AdHocCommand = {
    node: 'canned',
    name: 'Send a canned text',
    form: async ({ tenant }) => {
      const all = await canned.all(tenant.id);
      const shown = all.slice(0, CANNED_CHOICES_MAX);
      if (all.length === 0) return { kind: 'refused', reason: 'Your team has no canned texts.' };
      return {
        title: 'Send a canned text',
        instructions:
          all.length > shown.length
            ? `The visitor gets it as if you had written it. There are ${all.length - shown.length} more: !canned NAME sends one.`
            : 'The visitor gets it as if you had written it.',
        fields: [
          {
            type: 'list-single',
            name: 'name',
            label: 'Text',
            required: true,
            options: shown.map((each) => ({
              value: each.name,
              label: choice(`${each.name}: ${each.text}`),
            })),
          },
        ],
      };
    },
    async run(asked, values) {
      const name = CannedName.safeParse(field(values, 'name'));
      if (!name.success) return faulty('name', name.error.issues[0]?.message ?? 'is no name');
      const command = { kind: 'canned', do: 'use', name: name.data } as const;
      return doIt(asked, command, `The canned text ${name.data} was sent to the visitor.`);
    },
  };

  async function receivers({ tenant, place }: Asked) {
    const { of: nameOf } = await names.of(tenant.id);
    const departments = new Set(Object.keys(tenant.routing.departments));
    const free: { value: string; label: string }[] = [];
    for (const username of operatorsOf(tenant.id)) {
      const state = await actors.operator(tenant.id, username).state();
      if (!state) continue;
      for (const department of state.context.departments) departments.add(department);
      const { context, availability } = state;
      const isFree = availability === 'available' && load(context) < context.capacity;
      if (isFree && username !== place.operator.name) {
        free.push({ value: username, label: choice(nameOf(username)) });
      }
    }
    const sorted = [...departments].toSorted();
    return [
      ...free,
      ...sorted.map((value) => ({ value, label: choice(`Department ${value}`) })),
    ].slice(0, RECEIVERS_MAX);
  }

  const transfer: AdHocCommand = {
    node: 'transfer',
    name: 'Transfer the chat',
    form: async (asked) => {
      const choices = await receivers(asked);
      if (choices.length === 0) {
        return {
          kind: 'refused',
          reason: 'Nobody else is free now, and there are no departments.',
        };
      }
      return {
        title: 'Transfer the chat',
        instructions: 'Operators who are free, and departments.',
        fields: [
          { type: 'list-single', name: 'to', label: 'To', required: true, options: choices },
        ],
      };
    },
    async run(asked, values) {
      const to = field(values, 'to');
      if (to === '' || to.length > 128) return faulty('to', 'name an operator or a department');
      return doIt(asked, { kind: 'transfer', name: to }, 'The chat is transferred.');
    },
  };

  const close: AdHocCommand = {
    node: 'close',
    name: 'Close the chat',
    form: async () => ({
      title: 'Close the chat',
      instructions: 'The visitor sees that it is over.',
      fields: [text('reason', 'Reason')],
    }),
    async run(asked, values) {
      const reason = onOneLine(field(values, 'reason'));
      if (reason.length > 200) return faulty('reason', 'is longer than 200 characters');
      return doIt(asked, { kind: 'close', reason: reason || null }, 'The chat is closed.');
    },
  };

  const note: AdHocCommand = {
    node: 'note',
    name: 'Add a note',
    form: async () => ({
      title: 'Add a note',
      instructions: 'It is in LHC, and the visitor does not see it.',
      fields: [text('note', 'Note', { type: 'text-multi', required: true })],
    }),
    async run(asked, values) {
      const words = field(values, 'note');
      return words === ''
        ? faulty('note', 'is empty')
        : doIt(asked, { kind: 'note', text: words }, 'The note is in the chat.');
    },
  };

  const room: AdHocCommand = {
    node: 'room',
    name: 'Open a chat room, or come in',
    form: async () => ({
      title: 'Open a chat room, or come in',
      instructions: 'For you, who has the chat, and these colleagues.',
      fields: [text('colleagues', 'Colleagues, with commas between the names')],
    }),
    async run(asked, values) {
      // The same names as in a message.
      const read = readWritten(`!room ${onOneLine(field(values, 'colleagues'))}`, []);
      if (read.kind !== 'room') {
        return faulty('colleagues', read.kind === 'faulty' ? read.reason : 'are names');
      }
      const names = read.do === 'open' ? read.names : ['close'];
      return doIt(asked, { kind: 'room', do: 'open', names }, 'You are invited to the room.');
    },
  };

  const whisper: AdHocCommand = {
    node: 'whisper',
    name: 'Whisper to colleagues',
    form: async () => ({
      title: 'Whisper to colleagues',
      instructions: 'Who has the chat and who is in its room reads it. The visitor never does.',
      fields: [text('text', 'Text', { type: 'text-multi', required: true })],
    }),
    async run(asked, values) {
      const words = field(values, 'text');
      return words === ''
        ? faulty('text', 'is empty')
        : doIt(asked, { kind: 'whisper', text: words }, 'Your colleagues have it.');
    },
  };

  return [
    simple('take', 'Take the chat', { kind: 'take' }, 'The chat is yours.'),
    simple('decline', 'Decline the chat', { kind: 'decline' }, 'You have declined the chat.'),
    transfer,
    close,
    question('info', 'About this visitor'),
    question('history', 'The last messages'),
    note,
    useCanned,
    room,
    simple('room-close', 'Close the chat room', { kind: 'room', do: 'close' }, 'It is closed.'),
    whisper,
  ];
}
