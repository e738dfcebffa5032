/**
 * Operators' commands by menus and forms (XEP-0050): the same commands as in messages, carried out and answered by the same
 * parts (src/inbox/operator-commands, src/reactors/answers). At the desk there are those that concern no single chat, at a
 * visitor those of the conversation.
 */
import { deskOf, type Person, personOf, VisitorKey } from '../../actors/ids.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { load } from '../../actors/operator/decisions.ts';
import { CannedName, CannedWords } from '../../actors/tenant/canned-texts.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { hasCode, isRejected } from '../../errors.ts';
import type { Budgets } from '../../inbox/budget.ts';
import type { CarryOut, Command, CommandPlace } from '../../inbox/operator-commands/carry-out.ts';
import { cut } from '../../kit/cut.ts';
import { onOneLine } from '../../kit/lines.ts';
import type { CannedTextStore, TeamReading } from '../../runtime/desk-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type {
  CommandForm,
  CommandHandler,
  CommandReply,
  FormField,
  ResultTable,
} from '../../xmpp/ad-hoc.ts';
import type { Answers, Question } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import { withNames } from '../texts/names.ts';

/** Visitors, operators or departments to choose from in one form. */
export const CHOICES_MAX = 50;
/** Texts to choose from in one form. The others are sent by their names. */
export const CANNED_CHOICES_MAX = 100;
/** A choice is one line in a menu. In UTF-16 units. */
const CHOICE_MAX_LENGTH = 80;

/**
 * Profanity (0.13.1 and newer) shows a table as an empty form, in a window in front of the note. It has its name in its
 * resource, unless somebody has changed that.
 */
const SHOWS_NO_TABLES = /^[^/]*\/profanity/i;

const TOO_FAST = 'you ask faster than this service answers; try again in some seconds';
const AWAY = 'the service could not do it now; try again';

export interface CommandsOptions {
  readonly tenants: TenantDirectory;
  readonly actors: Pick<Actors, 'operator' | 'visitor'>;
  readonly carryOut: CarryOut;
  readonly answers: Pick<Answers, 'textsFor'>;
  readonly budgets: Budgets;
  readonly team: TeamReading;
  readonly canned: CannedTextStore;
  readonly names: Pick<OperatorNames, 'of'>;
  /** Registered operators of a tenant. */
  readonly operatorsOf: (tenant: Tenant['id']) => readonly CommandPlace['operator']['name'][];
  /** ms since 1970 */
  readonly now: () => number;
  readonly newId: () => string;
}

interface Asked {
  readonly tenant: Tenant;
  readonly place: CommandPlace;
}

/** What a form says of a field, with its lines. */
type Values = Readonly<Record<string, readonly string[]>>;

interface AdHocCommand {
  readonly node: string;
  readonly name: string;
  /** null: it takes no form. */
  readonly form: ((asked: Asked) => Promise<CommandForm | CommandReply>) | null;
  readonly run: (asked: Asked, values: Values) => Promise<CommandReply | Fault>;
}

const field = (values: Values, name: string): string => (values[name] ?? []).join('\n').trim();
const choice = (text: string): string => cut(onOneLine(text).trim(), CHOICE_MAX_LENGTH);
/** A field of the form is wrong. */
interface Fault {
  readonly kind: 'faulty';
  readonly field: string;
  readonly reason: string;
}
const faulty = (name: string, reason: string): Fault => ({ kind: 'faulty', field: name, reason });

/** The form as it was filled in. What is no option of a list is not chosen again. */
const filledWith = (form: CommandForm, values: Values): CommandForm => ({
  ...form,
  fields: form.fields.map((each) => {
    const value = field(values, each.name);
    const isOption =
      each.type !== 'list-single' || each.options.some((option) => option.value === value);
    return value !== '' && isOption ? { ...each, value } : each;
  }),
});
const text = (
  name: string,
  label: string,
  more: { type?: 'text-single' | 'text-multi'; required?: boolean } = {},
): FormField => ({ type: 'text-single', name, label, ...more });

const withoutTable = (reply: CommandReply): CommandReply =>
  reply.kind === 'done' ? { kind: 'done', text: reply.text } : reply;

export function createDeskCommands(options: CommandsOptions): CommandHandler {
  const { tenants, actors, carryOut, answers, budgets, team, canned, names, now, newId } = options;

  /** Carries a command out, and says that it was done. */
  async function doIt(
    { tenant, place }: Asked,
    command: Command,
    done: string,
  ): Promise<CommandReply> {
    const messageId = newId();
    try {
      await carryOut(command, place, { messageId, commandId: `${AUTOMATIC}${messageId}` });
      return { kind: 'done', text: done };
    } catch (error) {
      if (!isRejected(error)) throw error;
      const { of: nameOf } = await names.of(tenant.id);
      return { kind: 'refused', reason: withNames(error.message, nameOf) };
    }
  }

  async function answer(
    { tenant, place }: Asked,
    command: string,
    argument: string | null = null,
  ): Promise<string> {
    const question: Question = { visitor: place.visitor?.name ?? null, command, argument };
    return (await answers.textsFor(tenant, place.operator.name, question)).join('\n');
  }

  const simple = (node: string, name: string, command: Command, done: string): AdHocCommand => ({
    node,
    name,
    form: null,
    run: (asked) => doIt(asked, command, done),
  });
  const question = (
    node: string,
    name: string,
    tableOf?: (asked: Asked) => Promise<ResultTable>,
  ): AdHocCommand => ({
    node,
    name,
    form: null,
    async run(asked) {
      const said = await answer(asked, node);
      return { kind: 'done', text: said, ...(tableOf && { table: await tableOf(asked) }) };
    },
  });

  async function colleagues({ tenant }: Asked): Promise<ResultTable> {
    const { of: nameOf } = await names.of(tenant.id);
    const { items } = await team.colleagues(tenant.id, CHOICES_MAX);
    return {
      title: 'Operators',
      columns: [
        { name: 'operator', label: 'Operator' },
        { name: 'availability', label: 'State' },
        { name: 'chats', label: 'Chats' },
        { name: 'capacity', label: 'Places' },
        { name: 'departments', label: 'Departments' },
      ],
      rows: items.map(({ username, availability, chats, capacity, departments }) => ({
        operator: nameOf(username),
        availability,
        chats: String(chats),
        capacity: String(capacity),
        departments: departments.join(', '),
      })),
    };
  }

  async function queue({ tenant }: Asked): Promise<ResultTable> {
    const { of: nameOf } = await names.of(tenant.id);
    const { items } = await team.queue(tenant.id, CHOICES_MAX);
    return {
      title: 'Waiting visitors',
      columns: [
        { name: 'chat', label: 'Chat' },
        { name: 'visitor', label: 'Visitor' },
        { name: 'department', label: 'Department' },
        { name: 'minutes', label: 'Minutes' },
        { name: 'offered', label: 'Offered to' },
        { name: 'page', label: 'Page' },
      ],
      rows: items.map(({ chatId, visitor, nick, department, startedAt, offered, inLhc, page }) => ({
        chat: `#${chatId}`,
        visitor: choice(nick ?? visitor),
        department: department ?? '',
        minutes: String(Math.floor(Math.max(0, now() - startedAt) / 60_000)),
        offered: inLhc ? 'LHC' : offered.map(nameOf).join(', '),
        page: choice(page ?? ''),
      })),
    };
  }

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

  const invite: AdHocCommand = {
    node: 'invite',
    name: 'Invite a visitor',
    form: async ({ tenant }) => {
      const { items } = await team.find(tenant.id, '', CHOICES_MAX * 2);
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
            options: free.slice(0, CHOICES_MAX).map(({ key, nick, page }) => ({
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
      const command = { kind: 'invite', whom: key.data, text: words } as const;
      return doIt(asked, command, 'The visitor has your invitation.');
    },
  };

  async function receivers({ tenant, place }: Asked) {
    const { of: nameOf } = await names.of(tenant.id);
    const departments = new Set(Object.keys(tenant.routing.departments));
    const free: { value: string; label: string }[] = [];
    for (const username of options.operatorsOf(tenant.id)) {
      const state = await actors.operator(tenant.id, username).state();
      if (!state) continue;
      for (const department of state.context.departments) departments.add(department);
      const { context, availability } = state;
      const isFree = availability === 'available' && load(context) < context.capacity;
      if (isFree && username !== place.operator.name) {
        free.push({ value: username, label: choice(nameOf(username)) });
      }
    }
    const names_ = [...departments].toSorted();
    return [
      ...free,
      ...names_.map((value) => ({ value, label: choice(`Department ${value}`) })),
    ].slice(0, CHOICES_MAX);
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

  const AT_DESK: readonly AdHocCommand[] = [
    question('who', 'Who is there', colleagues),
    question('queue', 'Who waits', queue),
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
  const AT_VISITOR: readonly AdHocCommand[] = [
    simple('take', 'Take the chat', { kind: 'take' }, 'The chat is yours.'),
    simple('decline', 'Decline the chat', { kind: 'decline' }, 'You have declined the chat.'),
    transfer,
    close,
    question('info', 'About this visitor'),
    question('history', 'The last messages'),
    note,
    useCanned,
  ];
  /** What LHC has no form for where it picks the operators itself (docs/adr/0037). */
  const notByLhc = new Set(['take', 'decline', 'transfer']);
  const commandsAt = ({ place, tenant }: Asked) =>
    place.visitor
      ? AT_VISITOR.filter(({ node }) => tenant.routing.by !== 'lhc' || !notByLhc.has(node))
      : AT_DESK;

  /** Both are of one tenant, the operator is registered, and the visitor is known. */
  async function asked(to: string, from: string): Promise<Asked | null> {
    const operator = personOf(from, tenants.ofHost);
    if (operator?.kind !== 'operator') return null;
    const tenant = tenants.get(operator.tenant);
    if (!tenant || tenant.removing) return null;
    const visitor = personOf(to, tenants.ofHost);
    const isOfTenant =
      deskOf(to, tenants.ofHost) === tenant.id ||
      (visitor?.kind === 'visitor' && visitor.tenant === tenant.id);
    if (!isOfTenant) return null;
    const { name } = operator;
    if (!(await actors.operator(tenant.id, name).state())?.context.registered) return null;
    if (visitor?.kind !== 'visitor') return { tenant, place: { operator, visitor: null } };
    return (await isKnown(visitor)) ? { tenant, place: { operator, visitor } } : null;
  }
  const isKnown = async ({ tenant, name }: Extract<Person, { kind: 'visitor' }>) =>
    (await actors.visitor(tenant, name).state()) !== null;

  return {
    async list(to, from) {
      const found = await asked(to, from);
      return found && commandsAt(found).map(({ node, name }) => ({ node, name }));
    },
    async run(to, from, { node, values }) {
      const found = await asked(to, from);
      const command = found && commandsAt(found).find((each) => each.node === node);
      if (!found || !command) return null;
      const { operator } = found.place;
      const charge = budgets.charge(operator.tenant, operator.name, true, now());
      if (charge !== 'within') return { kind: 'too-fast', reason: TOO_FAST };
      try {
        if (!command.form || values) {
          const reply = await command.run(found, values ?? {});
          if (reply.kind !== 'faulty')
            return SHOWS_NO_TABLES.test(from) ? withoutTable(reply) : reply;
          const fault = `${reply.field}: ${reply.reason}`;
          const again = await command.form?.(found);
          if (!again || 'kind' in again) return again ?? { kind: 'refused', reason: fault };
          return { kind: 'form', form: filledWith(again, values ?? {}), fault };
        }
        const form = await command.form(found);
        return 'kind' in form ? form : { kind: 'form', form };
      } catch (error) {
        if (hasCode(error, 'unavailable', 'overloaded', 'timeout')) {
          return { kind: 'refused', reason: AWAY };
        }
        throw error;
      }
    },
  };
}
