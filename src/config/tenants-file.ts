/** Reads TENANTS_FILE: the list of tenants with their settings. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { TenantId } from '../actors/ids.ts';
import { createTenantDirectory } from '../actors/tenant/directory.ts';
import { TenantSettings } from '../actors/tenant/settings.ts';
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

/** @returns the tenants, or the faults of the file, each with the tenant and the field */
export function readTenants(path: string): { tenants: TenantSettings[]; faults: string[] } {
  let json: unknown;
  try {
    const text = textOfFile(readFileSync(path));
    if (text === null) return { tenants: [], faults: [`TENANTS_FILE: ${path} is not UTF-8`] };
    json = JSON.parse(text);
  } catch (error) {
    return { tenants: [], faults: [`TENANTS_FILE: ${path} ${readFault(error)}`] };
  }
  const parsed = z.array(TenantSettings).safeParse(json, { error: inOurWords });
  if (parsed.success) return { tenants: parsed.data, faults: clashesOf(parsed.data) };
  const faults = parsed.error.issues.map((issue) => tenantFault(issue, json));
  return { tenants: [], faults: [...new Set(faults)] };
}

function tenantFault({ path, message }: z.core.$ZodIssue, json: unknown): string {
  const [index, ...field] = path;
  if (index === undefined) return 'TENANTS_FILE: has to hold the list of tenants, in [ ]';
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
function clashesOf(tenants: readonly TenantSettings[]): string[] {
  const faults: string[] = [];
  try {
    createTenantDirectory(tenants);
  } catch (error) {
    faults.push(`TENANTS_FILE: ${messageOf(error)}`);
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
