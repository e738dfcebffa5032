/** Calls about the groups of an instance: with them LHC's hosting makes and removes whole instances. */
import { z } from 'zod';
import { rosterGroups } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import { type LhcCall, lhcCall, unused } from './call.ts';
import type { XmppserviceDeps } from './deps.ts';

/** Groups that one group may display. A tenant has two. */
const MAX_DISPLAYED = 8;

const Setup = z.object({
  name: unused,
  desc: unused,
  /** The same as `display_array`, escaped for a shell. */
  display: unused,
  display_array: z.array(z.string()).max(MAX_DISPLAYED).nullish(),
});
const Named = z.object({});

export function rosterCalls({ instances }: XmppserviceDeps): LhcCall[] {
  const common = { about: 'group', text: false, urgent: true } as const;
  return [
    lhcCall({
      ...common,
      path: '/xmpp-setup-instance-roasters',
      makesInstance: 'again',
      body: Setup,
      async carryOut({ tenant }, { display_array }) {
        // The tenant has both groups, and each displays the other, whatever the list says.
        const own = tenant ? Object.values(rosterGroups(tenant)) : [];
        const foreign = display_array?.findIndex((each) => !own.includes(each.toLowerCase())) ?? -1;
        if (foreign < 0) return;
        throw new AppError('invalid', `can name ${own.join(' and ')} alone`, {
          field: `display_array.${foreign}`,
        });
      },
    }),
    lhcCall({
      ...common,
      path: '/xmpp-does-shared-roaster-exists',
      makesInstance: 'no',
      body: Named,
      async carryOut({ tenant }) {
        if (!tenant || tenant.removing) throw new AppError('not-found', 'does not exist');
      },
    }),
    lhcCall({
      ...common,
      path: '/xmpp-delete-instance-roasters',
      makesInstance: 'no',
      body: Named,
      async carryOut({ tenant }) {
        // The groups of a tenant that somebody else has declared are not LHC's to delete: nothing happens.
        if (tenant && instances.isMade(tenant)) await instances.remove(tenant);
      },
    }),
  ];
}
