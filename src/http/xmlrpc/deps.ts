/** What XML-RPC needs of the rest of the service. The composition root provides it. */
import type { Logger } from 'pino';
import type { TenantId, VisitorKey } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { JournalWriter } from '../../runtime/journal/entries.ts';
import type { OperatorRooms } from '../../runtime/operator-ports.ts';
import type { Shown } from './presence.ts';

/** What LHC may ask about visitors, and change of them. */
export interface RpcVisitors {
  isOnline(tenant: TenantId, visitor: VisitorKey): Promise<boolean>;
  /** Shows operators a new nick. Nothing happens for a visitor who is not online. */
  show(tenant: TenantId, visitor: VisitorKey, shown: Shown): Promise<void>;
}

export interface XmlRpcDeps {
  readonly tenants: Pick<TenantDirectory, 'ofHost'>;
  readonly visitors: RpcVisitors;
  readonly rooms: OperatorRooms;
  /** A call about rooms of a host with instances named none of them. */
  readonly onRoomsWithoutTenant: (host: string) => void;
  readonly logger: Logger;
  /** Where calls that caused facts are written down. */
  readonly journal?: JournalWriter;
}
