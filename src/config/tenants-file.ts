/** Reads TENANTS_FILE: the list of tenants with their settings. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { TenantId } from '../actors/ids.ts';
import { clashOf, mayClash, TenantIndex } from '../actors/tenant/directory.ts';
import { restFaults } from '../actors/tenant/rest-settings.ts';
import { ANY_INSTANCE, TenantSettings, TenantTemplate } from '../actors/tenant/settings.ts';
import { messageOf } from '../errors.ts';
import { inOurWords } from '../kit/schema-words.ts';
import { textOfFile } from '../kit/text-file.ts';
import { faultText, quotedText } from './faults.ts';

/** Leaves out the text that V8 quotes from the file: it may be part of a key. */
function readFault(error: unknown): string {
  if (!(error instanceof SyntaxError)) return `cannot be read: ${messageOf(error)}`;
  const where = / at position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0] ?? '';
  return `is not JSON${where}`;
}

export interface DeclaredTenants {
  readonly tenants: readonly TenantSettings[];
  /** For the instances of hosting hosts that are not known yet. */
  readonly templates: readonly TenantTemplate[];
  /** What is wrong in the file, each with the tenant and the field. Then nothing is declared. */
  readonly faults: readonly string[];
}

const faulty = (...faults: string[]): DeclaredTenants => ({ tenants: [], templates: [], faults });

/** The entries of the file. What an entry is, its instance says. */
const Entries = z.array(z.unknown());

const isTemplate = (entry: unknown): boolean =>
  z.looseObject({ instance: z.literal(ANY_INSTANCE) }).safeParse(entry).success;

/** @param path of TENANTS_FILE; without one nothing is declared */
export function readTenants(path: string | undefined): DeclaredTenants {
  if (!path) return faulty();
  let json: unknown;
  try {
    const text = textOfFile(readFileSync(path));
    if (text === null) return faulty(`TENANTS_FILE: ${path} is not UTF-8`);
    json = JSON.parse(text);
  } catch (error) {
    return faulty(`TENANTS_FILE: ${path} ${readFault(error)}`);
  }
  const entries = Entries.safeParse(json);
  if (!entries.success) return faulty('TENANTS_FILE: has to hold the list of tenants, in [ ]');
  const tenants: TenantSettings[] = [];
  const templates: TenantTemplate[] = [];
  const faults = entries.data.flatMap((entry, index) => {
    const parsed = isTemplate(entry)
      ? keep(TenantTemplate.safeParse(entry, { error: inOurWords }), templates)
      : keep(TenantSettings.safeParse(entry, { error: inOurWords }), tenants);
    return parsed.map(({ path, message }) => tenantFault([index, ...path], message, json));
  });
  if (faults.length > 0) return faulty(...new Set(faults));
  return { tenants, templates, faults: clashesOf(tenants, templates) };
}

/** @returns what is wrong with it */
function keep<T extends TenantSettings | TenantTemplate>(
  { data, error }: { data?: T | undefined; error?: z.ZodError<T> | undefined },
  into: T[],
): readonly Pick<z.core.$ZodIssue, 'path' | 'message'>[] {
  if (data === undefined) return error?.issues ?? [];
  into.push(data);
  return restFaults(data).map(({ field, message }) => ({ path: [field], message }));
}

function tenantFault(path: readonly PropertyKey[], message: string, json: unknown): string {
  const [index, ...field] = path;
  const where = `TENANTS_FILE: tenant ${nameOfTenant(json, Number(index))}`;
  const text = faultText(path, message, json);
  return field.length > 0 ? `${where}, ${field.join('.')}: ${text}` : `${where}: ${text}`;
}

/** Its id, in quotes if it is no usable one. Without an id: which tenant of the file it is, from 1. */
function nameOfTenant(json: unknown, index: number): string {
  const { data } = z.array(z.unknown()).safeParse(json);
  const { data: named } = z.looseObject({ id: z.string().min(1) }).safeParse(data?.[index]);
  if (!named) return `number ${index + 1} in the file`;
  return TenantId.safeParse(named.id).success ? named.id : quotedText(named.id);
}

/** What tenants must not share. */
function clashesOf(
  tenants: readonly TenantSettings[],
  templates: readonly TenantTemplate[],
): string[] {
  const faults: string[] = [];
  const index = new TenantIndex<TenantSettings | TenantTemplate>();
  for (const entry of [...tenants, ...templates]) {
    const same = index.get(entry.id);
    for (const other of same ? [same] : mayClash(entry, index.ofHost.bind(index))) {
      const reason = clashOf(entry, other);
      if (reason) faults.push(`TENANTS_FILE: tenant ${entry.id}: ${reason}`);
    }
    if (!same) index.set(entry);
  }
  const keys = new Set<string>();
  for (const { id, apiKey } of tenants) {
    if (keys.has(apiKey)) {
      faults.push(`TENANTS_FILE: tenant ${id}, apiKey: another tenant has the same`);
    }
    keys.add(apiKey);
  }
  return faults;
}
