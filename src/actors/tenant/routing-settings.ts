/** The part of a tenant's settings that says who gets a chat (docs/configuration.md, docs/adr/0059). */
import { z } from 'zod';
import { describingLine, MAX_NAME_CHARACTERS } from '../input-text.ts';
import { POLICIES } from '../operator-selection.ts';
import { count, MAX_SECONDS } from './numbers.ts';
import { OpeningHours } from './opening-hours.ts';

const policy = z.enum(POLICIES, `has to be one of ${POLICIES.join(', ')}`);
/** The capacity of an operator, at most; also of one operator in one department. */
const MAX_CAPACITY = 1_000;
const capacity = count('chats', 1, MAX_CAPACITY);
/** Chats of one department. */
const MAX_DEPARTMENT_CHATS = 100_000;
const departmentChats = count('chats', 1, MAX_DEPARTMENT_CHATS);
const seconds = (least: number) => count('seconds', least, MAX_SECONDS);

/** Departments that a chat can go to one after the other, because nobody of the one before could take it. */
export const MAX_OVERFLOWS = 10;

const DEPARTMENT_NAME = 'has a department whose name is empty or longer than 128 characters';
/** As the names of departments arrive in requests. Another one would never be theirs. */
const departmentName = describingLine(MAX_NAME_CHARACTERS);

const DepartmentName = z
  .string()
  .min(1, DEPARTMENT_NAME)
  .max(MAX_NAME_CHARACTERS, DEPARTMENT_NAME)
  .refine(
    (name) => departmentName.parse(name) === name,
    'has a department whose name has a space at an end, or a control character',
  );

/** What is done about the visitor's language. `require`: for so many seconds only operators who speak it are asked. */
export const LANGUAGE_MATCHES = ['prefer', 'require'] as const;
export const DEFAULT_LANGUAGE_WAIT_S = 60;

const Language = z.strictObject({
  match: z.enum(LANGUAGE_MATCHES, `has to be ${LANGUAGE_MATCHES.join(' or ')}`).default('prefer'),
  wait: seconds(1).default(DEFAULT_LANGUAGE_WAIT_S),
});

/** Of the tenant, and of a department in place of the tenant's. */
const BOTH = {
  /** While operators of a tier are there and full, the next tier is asked after so many seconds. */
  tierWait: seconds(0).optional(),
  language: Language.optional(),
  hours: OpeningHours.optional(),
  /** What a visitor reads whose chat is one too many. */
  fullMessage: OpeningHours.shape.message,
};

const Department = z.strictObject({
  policy: policy.optional(),
  /** Chats of the department that one operator may have. */
  capacity: capacity.optional(),
  /** Chats of the department that all operators together may have. */
  maxChats: departmentChats.optional(),
  /** Chats of the department that may wait before it counts as full. */
  maxWaiting: departmentChats.optional(),
  /** Where a chat goes that has waited for so many seconds. */
  overflow: z.strictObject({ to: DepartmentName, after: seconds(1) }).optional(),
  ...BOTH,
});

/** Who picks the operator of a chat: our routing, or LHC, which names them in each call of the xmppservice wire. */
const ROUTED_BY = ['service', 'lhc'] as const;

export const Routing = z
  .strictObject({
    by: z.enum(ROUTED_BY, `has to be ${ROUTED_BY.join(' or ')}`).default('service'),
    policy: policy.default('least-loaded'),
    /** Capacity of operators who are registered without a capacity of their own. */
    capacity: capacity.default(5),
    ...BOTH,
    departments: z.record(DepartmentName, Department).default({}),
  })
  .superRefine(({ departments }, { addIssue }) => {
    for (const name of Object.keys(departments)) {
      const chain = overflowChain(departments, name);
      const back = chain.indexOf(chain.at(-1) ?? name) < chain.length - 1;
      const fault = back
        ? `goes round in a circle: ${chain.join(' → ')}`
        : chain.length > MAX_OVERFLOWS + 1
          ? `has more than ${MAX_OVERFLOWS} departments one after the other`
          : null;
      if (fault === null) continue;
      const path = ['departments', name, 'overflow', 'to'];
      addIssue({ code: 'custom', path, message: fault });
    }
  });
export type Routing = z.output<typeof Routing>;

type Overflows = Readonly<
  Record<string, { readonly overflow?: { readonly to: string } | undefined }>
>;

/** The departments that a chat can go to, from its own on. It ends at the first one that is in it already. */
function overflowChain(departments: Overflows, from: string): readonly string[] {
  const chain = [from];
  for (let name = from; chain.length <= MAX_OVERFLOWS + 1; ) {
    const next = Object.hasOwn(departments, name) ? departments[name]?.overflow?.to : undefined;
    if (next === undefined) break;
    const isThere = chain.includes(next);
    chain.push(next);
    if (isThere) break;
    name = next;
  }
  return chain;
}
