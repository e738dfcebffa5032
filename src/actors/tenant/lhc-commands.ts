/** Commands that an operator writes into a conversation and that LHC carries out. */
import type { Tenant } from './tenant.ts';

/**
 * The commands of LHC's back office, without the `!` (lib/core/lhchat/lhchatcommand.php, read in August 2026). An LHC with
 * bot commands or extensions has more. The tenant's setting `lhcCommands` names them.
 */
export const LHC_COMMANDS: readonly string[] = [
  'name',
  'email',
  'phone',
  'remark',
  'note',
  'info',
  'help',
  'goto',
  'translate',
  'screenshot',
  'contactform',
  'modal',
  'files',
  'stopfiles',
  'pending',
  'active',
  'hold',
  'close',
  'closed',
  'delete',
  'block',
  'gotobot',
  'transferforce',
];

/** The commands of this tenant's LHC. */
export const lhcCommandsOf = ({ lhcCommands }: Pick<Tenant, 'lhcCommands'>) =>
  lhcCommands ?? LHC_COMMANDS;
