/** The component of one host, as this process opens it. */
import { componentDomain } from '../../actors/ids.ts';
import type { Config } from '../../config/config.ts';
import { type ComponentOptions, createComponentTransport } from '../../xmpp/component/component.ts';
import type { ComponentTransport } from '../../xmpp/port.ts';
import { ownsAddress } from '../visitor-transport.ts';
import type { Runtime } from './runtime.ts';

/** Of the id of a process, in its own domain. */
const ID_CHARACTERS = 8;

/** @returns null if the service has no listener to connect to */
export function componentOpener(
  { ejabberd }: Config,
  {
    tenants,
    ownership,
    shared,
    processId,
    nameOf,
    answerQuery,
    random,
    logger,
  }: Pick<Runtime, 'tenants' | 'ownership' | 'shared' | 'processId' | 'random' | 'logger'> &
    Pick<Required<ComponentOptions>, 'nameOf' | 'answerQuery'>,
): ((host: string) => ComponentTransport) | null {
  const { component: listener, allowPlaintext } = ejabberd;
  if (!listener) return null;
  return (host) => {
    const domain = componentDomain(host);
    return createComponentTransport({
      listener,
      host,
      domain,
      // Of several processes ejabberd gives what comes in to any of them.
      ...(shared && { ownDomain: `${processId.slice(0, ID_CHARACTERS)}.${domain}` }),
      allowPlaintext,
      owns: ownsAddress(tenants, ownership),
      nameOf,
      answerQuery,
      random,
      logger,
    });
  };
}
