/** The schemas of commands and facts of each kind of actor. */
import type { ActorKind } from './ids.ts';
import type { ActorSchemas } from './machine/schemas.ts';
import { OPERATOR_COMMANDS, OPERATOR_FACTS } from './operator/schemas.ts';
import { TENANT_COMMANDS, TENANT_FACTS } from './tenant/schemas.ts';
import { VISITOR_COMMANDS, VISITOR_FACTS } from './visitor/schemas.ts';

export const SCHEMAS: Readonly<Record<ActorKind, ActorSchemas>> = {
  visitor: { commands: VISITOR_COMMANDS, facts: VISITOR_FACTS },
  operator: { commands: OPERATOR_COMMANDS, facts: OPERATOR_FACTS },
  tenant: { commands: TENANT_COMMANDS, facts: TENANT_FACTS },
};
