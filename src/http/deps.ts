/** What the HTTP API needs of the rest of the service. The composition root provides it. */
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import type { EndpointDeps } from './frame/deps.ts';
import type { StreamHub } from './stream/hub.ts';
import type { WebhookSecret } from './webhook/signature.ts';

/** A number for /metrics, read at each scrape. */
export interface MetricsNumber {
  readonly help: string;
  value(): number | Promise<number>;
}

/** Numbers of tenants by their ids. /metrics has them for the administrator alone. */
export interface TenantNumbers {
  readonly help: string;
  values(): ReadonlyMap<string, number>;
}

export interface HttpDeps extends EndpointDeps {
  readonly tenants: TenantDirectory;
  /** Live connections. Close it before the server: the server waits for them. */
  readonly stream: StreamHub;
  /** Parts of the service by the name that /readyz shows. Each check resolves while its part answers, else it rejects. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
  /** Parts that /readyz shows and that do not make the service unready: one tenant's LHC, say. */
  readonly advisories?: Readonly<Record<string, () => Promise<void>>>;
  /** What the process itself sees of a wrong clock: a sentence, or null. With it /readyz has the advisory `clock`. */
  readonly clockJump?: (() => string | null) | undefined;
  /** Gets the advisory `clock`: a check that rejects while the clock may be wrong. */
  readonly onClockCheck?: ((check: () => Promise<void>) => void) | undefined;
  /** Streams whose facts no longer fit their machine. */
  readonly unfitActors: () => readonly string[];
  /** By the metric's name. One that ends with `_total` only grows while the process lives: a counter. Others are gauges. */
  readonly numbers: Readonly<Record<string, MetricsNumber>>;
  /** By the metric's name; all are gauges. */
  readonly tenantNumbers?: Readonly<Record<string, TenantNumbers>>;
  /** Without an admin token /debug answers 401. */
  readonly adminToken?: string | undefined;
  /** Of mod_lhc; several during a rotation. With none every batch is refused. */
  readonly webhookSecrets: readonly WebhookSecret[];
  /** Addresses and ranges from which ejabberd's older modules may post. */
  readonly olderModulesFrom: readonly string[];
  readonly version: string;
  /** Where the build of the console is. Default: console/dist beside src. */
  readonly consoleFolder?: string | undefined;
  /** Where the build of the web client is. Default: web-client/dist beside src. */
  readonly webClientFolder?: string | undefined;
}
