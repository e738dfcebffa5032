/** Processes that know and change tenants, on the log of a rig. */
import { pino } from 'pino';
import { TenantSettings, TenantTemplate } from '../../src/actors/tenant/settings.ts';
import { templateOf, tenantOf } from '../../src/actors/tenant/tenant.ts';
import { createActors } from '../../src/runtime/host/actors.ts';
import { createPendingWork, openWorkFile } from '../../src/runtime/pending-work.ts';
import { createLiveDirectory } from '../../src/runtime/tenants/live-directory.ts';
import { TENANTS_TABLE } from '../../src/runtime/tenants/table.ts';
import { createTenants } from '../../src/runtime/tenants/tenants.ts';
import { temporaryFolder } from './folder.ts';
import { newId, type Rig } from './rig.ts';

let number = 0;

/**
 * A process on the log of a rig.
 * @param file what its TENANTS_FILE declares
 * @param work its file of pending work; default a new one
 */
export async function startProcess(
  rig: Rig,
  file: readonly object[] = [],
  work = `${temporaryFolder('work')}/work-${number++}.db`,
) {
  const lines: { level: string; msg: string; tenants?: string[] }[] = [];
  const logger = pino(
    { level: 'info', formatters: { level: (level) => ({ level }) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const db = openWorkFile(work);
  const stopping = new AbortController();
  const isTemplate = (entry: object) => 'instance' in entry && entry.instance === '*';
  const declared = {
    tenants: file
      .filter((entry) => !isTemplate(entry))
      .map((entry) => tenantOf(TenantSettings.parse(entry), 'file')),
    templates: file
      .filter(isTemplate)
      .map((entry) => templateOf(TenantTemplate.parse(entry), 'file')),
  };
  const { store, vault, now, digestKey } = rig;
  const directory = createLiveDirectory({
    db,
    vault,
    declared,
    state: () => pending.state(),
    logger,
  });
  const { prepare, onDropped } = directory;
  const tables = [TENANTS_TABLE];
  const pending = createPendingWork({ db, store, tables, logger, prepare, onDropped });
  const host = rig.makeHost({ shared: true });
  const actors = createActors(host, newId);
  pending.subscribe(host);
  pending.subscribe(directory);
  const check = () => undefined;
  const options = { actors, directory, work: pending, declared, digestKey, check, now, logger };
  const tenants = createTenants(options);
  await directory.load();
  const fold = pending.run(stopping.signal);
  const catchUp = async () => {
    await pending.caughtUp();
    directory.caughtUp();
    await tenants.applyDeclared();
  };
  const process = {
    directory,
    tenants,
    lines,
    catchUp,
    work,
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await fold;
      db.close();
    },
  };
  started.push(process);
  return process;
}

const started: { stop(): Promise<void> }[] = [];

/** Stops all processes that were started in this file. Call it before their logs are closed. */
export async function stopProcesses(): Promise<void> {
  for (const process of started.splice(0)) await process.stop();
}

export async function runningProcess(...args: Parameters<typeof startProcess>) {
  const process = await startProcess(...args);
  await process.catchUp();
  return process;
}
