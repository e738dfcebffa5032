/** The commands of the desk's menu. */
import { VisitorKey, visitorJid } from '../../actors/ids.ts';
import { CannedName, CannedWords } from '../../actors/tenant/canned-texts.ts';
import type { CannedTextStore, TeamReading } from '../../runtime/desk-ports.ts';
import { type AdHocCommand, choice, faulty, field, type MenuTools, text } from './menu.ts';

/** Visitors to choose from in one form. */
export const INVITE_CHOICES_MAX = 50;

export interface DeskMenuOptions {
  readonly team: Pick<TeamReading, 'find'>;
  readonly canned: Pick<CannedTextStore, 'names'>;
}

export function createDeskMenu(
  { team, canned }: DeskMenuOptions,
  { doIt, answer, simple, question }: MenuTools,
): readonly AdHocCommand[] {
  const changeCanned: AdHocCommand = {
    node: 'canned',
    name: 'Canned texts',
    form: async ({ tenant }) => {
      const known = await canned.names(tenant.id);
      return {
        title: 'Canned texts',
        instructions:
          known.length === 0
            ? 'Your team has no canned texts. {visitor} and {operator} in a text become names.'
            : `There are: ${known.join(', ')}. {visitor} and {operator} in a text become names.`,
        fields: [
          {
            type: 'list-single',
            name: 'do',
            label: 'What to do',
            required: true,
            options: [
              { value: 'list', label: 'Show all' },
              { value: 'add', label: 'Save' },
              { value: 'remove', label: 'Remove' },
            ],
          },
          text('name', 'Name (a-z, 0-9, _ and -)'),
          text('text', 'Text', { type: 'text-multi' }),
        ],
      };
    },
    async run(asked, values) {
      const what = field(values, 'do');
      if (what === 'list') return { kind: 'done', text: await answer(asked, 'canned') };
      if (what !== 'add' && what !== 'remove') return faulty('do', 'has to be list, add or remove');
      const name = CannedName.safeParse(field(values, 'name').toLowerCase());
      if (!name.success) return faulty('name', name.error.issues[0]?.message ?? 'is no name');
      if (what === 'remove') {
        const command = { kind: 'canned', do: 'remove', name: name.data } as const;
        return doIt(asked, command, `The canned text ${name.data} is removed.`);
      }
      const words = CannedWords.safeParse(field(values, 'text'));
      if (!words.success) return faulty('text', words.error.issues[0]?.message ?? 'is no text');
      const command = { kind: 'canned', do: 'add', name: name.data, text: words.data } as const;
      return doIt(asked, command, `The canned text ${name.data} is saved.`);
    },
  };

  const invite: AdHocCommand = {
    node: 'invite',
    name: 'Invite a visitor',
    form: async ({ tenant }) => {
      const { items } = await team.find(tenant.id, '', INVITE_CHOICES_MAX * 2);
      const free = items.filter(
        ({ conversation }) => conversation === 'none' || conversation === 'invited',
      );
      if (free.length === 0) {
        return { kind: 'refused', reason: 'Nobody is on the site who has no chat.' };
      }
      return {
        title: 'Invite a visitor',
        instructions: 'The answer comes in the conversation with the visitor.',
        fields: [
          {
            type: 'list-single',
            name: 'visitor',
            label: 'Visitor',
            required: true,
            options: free.slice(0, INVITE_CHOICES_MAX).map(({ key, nick, page }) => ({
              value: key,
              label: choice([nick ?? `Visitor ${key}`, page].filter(Boolean).join(' · ')),
            })),
          },
          text('text', 'Your words', { type: 'text-multi', required: true }),
        ],
      };
    },
    async run(asked, values) {
      const key = VisitorKey.safeParse(field(values, 'visitor'));
      if (!key.success) return faulty('visitor', key.error.issues[0]?.message ?? 'is no visitor');
      const words = field(values, 'text');
      if (words === '') return faulty('text', 'is empty');
      // Their address: a key alone may be a name too.
      const whom = visitorJid(asked.tenant, key.data);
      const command = { kind: 'invite', whom, text: words } as const;
      return doIt(asked, command, 'The visitor has your invitation.');
    },
  };

  return [
    question('who', 'Who is there'),
    question('queue', 'Who waits'),
    question('stats', 'The chats of today'),
    invite,
    changeCanned,
    simple(
      'away',
      'Get no new chats',
      { kind: 'availability', command: 'away' },
      'You get no new chats.',
    ),
    simple(
      'back',
      'Get new chats again',
      { kind: 'availability', command: 'back' },
      'You get new chats again, as soon as your client shows you as available.',
    ),
  ];
}
