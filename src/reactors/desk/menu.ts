/** What a menu of commands is made of: a command with its form, the fields of forms, and how a command is carried out. */
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { isRejected } from '../../errors.ts';
import type { CarryOut, Command, CommandPlace } from '../../inbox/operator-commands/carry-out.ts';
import { isBlank } from '../../inbox/operator-commands/words.ts';
import { visibleText } from '../../inbox/operator-text.ts';
import { cut } from '../../kit/cut.ts';
import { onOneLine } from '../../kit/lines.ts';
import type { CommandForm, CommandReply, FormField } from '../../xmpp/ad-hoc.ts';
import type { Answers, Question } from '../answers/answers.ts';
import type { OperatorNames } from '../operator-names.ts';
import { withNames } from '../texts/names.ts';

/** A choice is one line in a menu. In UTF-16 units. */
const CHOICE_MAX_LENGTH = 80;

/** Who asks, and where. */
export interface Asked {
  readonly tenant: Tenant;
  readonly place: CommandPlace;
}

/** What a form says of a field, with its lines. */
export type Values = Readonly<Record<string, readonly string[]>>;

/** A command of a menu. */
export interface AdHocCommand {
  readonly node: string;
  readonly name: string;
  /** null: it takes no form. */
  readonly form: ((asked: Asked) => Promise<CommandForm | CommandReply>) | null;
  readonly run: (asked: Asked, values: Values) => Promise<CommandReply | Fault>;
}

/** What was filled into a field, with its lines. As in a message, what nobody sees is left out. */
export function field(values: Values, name: string): string {
  const text = visibleText((values[name] ?? []).join('\n')).trim();
  return isBlank(text) ? '' : text;
}
/** A text as a choice of a list. */
export const choice = (text: string): string => cut(onOneLine(text).trim(), CHOICE_MAX_LENGTH);

/** A field of the form is wrong. */
export interface Fault {
  readonly kind: 'faulty';
  readonly field: string;
  readonly reason: string;
}
export const faulty = (name: string, reason: string): Fault => ({
  kind: 'faulty',
  field: name,
  reason,
});

/** The form as it was filled in. What is no option of a list is not chosen again. */
export const filledWith = (form: CommandForm, values: Values): CommandForm => ({
  ...form,
  fields: form.fields.map((each) => {
    const value = field(values, each.name);
    const isOption =
      each.type !== 'list-single' || each.options.some((option) => option.value === value);
    return value !== '' && isOption ? { ...each, value } : each;
  }),
});

/** A field for words. */
export const text = (
  name: string,
  label: string,
  more: { type?: 'text-single' | 'text-multi'; required?: boolean } = {},
): FormField => ({ type: 'text-single', name, label, ...more });

export interface MenuTools {
  /** Carries a command out. @param done what the operator reads then */
  doIt(asked: Asked, command: Command, done: string): Promise<CommandReply>;
  /** The answer to a question, as a message would have it. */
  answer(asked: Asked, command: string): Promise<string>;
  /** A command without a form. */
  simple(node: string, name: string, command: Command, done: string): AdHocCommand;
  /** A question without a form. */
  question(node: string, name: string): AdHocCommand;
}

export interface MenuToolsOptions {
  readonly carryOut: CarryOut;
  readonly answers: Pick<Answers, 'textsFor'>;
  readonly names: Pick<OperatorNames, 'of'>;
  readonly newId: () => string;
}

export function createMenuTools({ carryOut, answers, names, newId }: MenuToolsOptions): MenuTools {
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

  async function answer({ tenant, place }: Asked, command: string): Promise<string> {
    const question: Question = { visitor: place.visitor?.name ?? null, command, argument: null };
    return (await answers.textsFor(tenant, place.operator.name, question)).join('\n');
  }

  const simple: MenuTools['simple'] = (node, name, command, done) => ({
    node,
    name,
    form: null,
    run: (asked) => doIt(asked, command, done),
  });
  const question: MenuTools['question'] = (node, name) => ({
    node,
    name,
    form: null,
    run: async (asked) => ({ kind: 'done', text: await answer(asked, node) }),
  });
  return { doIt, answer, simple, question };
}
