/** The schema of an operator's registration, for HTTP and for the import from a file. */
import { z } from 'zod';
import { describingLine, MAX_NAME_CHARACTERS } from '../input-text.ts';
import { Language } from '../language.ts';
import { FIRST_TIER, LAST_TIER } from '../operator-selection.ts';
import { MAX_PASSWORD_CHARACTERS, passwordFault, preparePassword } from './password.ts';

/** Largest capacity of an operator: chats at the same time. */
export const MAX_CAPACITY = 1_000;
/** Departments of one operator. */
export const MAX_DEPARTMENTS = 100;

/** Languages of one operator. */
export const MAX_LANGUAGES = 20;

const TIER = `has to be a whole number from ${FIRST_TIER} to ${LAST_TIER}`;
const Tier = z.int(TIER).min(FIRST_TIER, TIER).max(LAST_TIER, TIER);

/** The id of a user in LHC. */
export const LhcUserId = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Cut as the department of a chat is, so that both are the same name. */
const filledName = describingLine(MAX_NAME_CHARACTERS).min(1, 'is empty');

/** A registration or a change. All fields are optional: a change keeps the fields that it does not name. */
export const OperatorRegistration = z.strictObject({
  lhcUserId: LhcUserId.optional().describe(
    "The operator's user in LHC. 409 if it belongs to another operator",
  ),
  name: filledName
    .optional()
    .describe('The name that contacts see. Default for a new operator: the username'),
  departments: z
    .array(filledName)
    .max(MAX_DEPARTMENTS)
    .overwrite((names) => [...new Set(names)])
    .optional()
    .describe('Departments whose chats the operator gets. Replaces the whole list'),
  capacity: z
    .int()
    .min(1)
    .max(MAX_CAPACITY)
    .nullable()
    .optional()
    .describe(
      "Chats at the same time. `null`, and the default for a new operator: the tenant's `routing.capacity`",
    ),
  tier: Tier.optional().describe(
    'Operators of tier 1 are asked first, and those of the next tier when nobody of it is free. Default for a new operator: 1',
  ),
  tiers: z
    .record(filledName, Tier)
    .refine(
      (tiers) => Object.keys(tiers).length <= MAX_DEPARTMENTS,
      `has more than ${MAX_DEPARTMENTS} departments`,
    )
    .optional()
    .describe('By department, in place of `tier`. Replaces the whole list'),
  languages: z
    .array(Language)
    .max(MAX_LANGUAGES)
    .overwrite((tags) => [...new Set(tags)])
    .optional()
    .describe(
      'Languages that the operator speaks, as BCP 47 has them (`de`, `pt-BR`). Replaces the whole list',
    ),
  password: z
    .string()
    .min(1, { error: 'is empty', abort: true })
    .max(MAX_PASSWORD_CHARACTERS, {
      error: `is longer than ${MAX_PASSWORD_CHARACTERS} characters`,
      abort: true,
    })
    .overwrite(preparePassword)
    .superRefine((password, { addIssue }) => {
      const message = passwordFault(password);
      if (message !== null) addIssue({ code: 'custom', message });
    })
    .optional()
    .meta({
      format: 'password',
      description:
        'Set in ejabberd at once. The service stores no password. Prepared as RFC 8265 says (OpaqueString)',
    }),
  adopt: z
    .boolean()
    .optional()
    .describe('Take over an account that already exists. Needs the admin token'),
});
export type OperatorRegistration = z.output<typeof OperatorRegistration>;
