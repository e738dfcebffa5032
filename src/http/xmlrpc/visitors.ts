/** What LHC's calls ask about visitors, and change of them. */
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { delaysOf } from '../../actors/tenant/settings.ts';
import { readLhcView } from '../../actors/visitor/lhc-view.ts';
import { createPageDigest } from '../../runtime/page-digest.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { RpcVisitors } from './deps.ts';

export function createRpcVisitors({
  actors,
  tenants,
  digestKey,
}: {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenants: Pick<TenantDirectory, 'get'>;
  /** Key of the fingerprints of page views. */
  readonly digestKey: Uint8Array;
}): RpcVisitors {
  const digestOf = createPageDigest(digestKey);
  return {
    async isOnline(tenant, key) {
      return (await actors.visitor(tenant, key).state())?.presence === 'online';
    },
    async show(id, key, { nick, status }) {
      const tenant = tenants.get(id);
      const visitor = actors.visitor(id, key);
      if (!tenant || (await visitor.state())?.presence !== 'online') return;
      const { profile, department, said } = readLhcView(nick, status);
      if (profile.nick === undefined) return;
      const digest = digestOf(id, key, department, profile, said);
      await visitor.send({
        type: 'ViewPage',
        digest,
        department,
        delays: delaysOf(tenant),
        profile,
      });
    },
  };
}
