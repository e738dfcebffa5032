/** Commands that LHC carries out itself when an operator writes them into a conversation. */
import type { TenantSettings } from './settings.ts';

/**
 * What the back office of a plain LHC knows, without the `!` (lib/core/lhchat/lhchatcommand.php, read in August 2026).
 * Bot commands that its administrators made, and those of its extensions, are known to that LHC alone: the tenant's
 * setting `lhcCommands` names them.
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

/** Those of this tenant's LHC. */
export const lhcCommandsOf = ({ lhcCommands }: Pick<TenantSettings, 'lhcCommands'>) =>
  lhcCommands ?? LHC_COMMANDS;
