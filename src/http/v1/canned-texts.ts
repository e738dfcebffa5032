/** The canned texts of a tenant's team, which operators send with `!canned NAME`. */
import { z } from '@hono/zod-openapi';
import {
  CANNED_TEXT_MAX_CHARACTERS,
  CannedName,
  CannedWords,
  MAX_CANNED_TEXTS,
} from '../../actors/tenant/canned-texts.ts';
import { AppError } from '../../errors.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, originOf } from '../frame/commands.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { addCommand } from '../frame/tenant-commands.ts';

const CannedText = z
  .object({ name: z.string(), text: z.string() })
  .openapi('CannedText', { description: '`{visitor}` and `{operator}` in it become names' });

const PutCannedText = z.strictObject({ text: CannedWords }).openapi('PutCannedText', {
  description: `At most ${CANNED_TEXT_MAX_CHARACTERS} characters. \`{visitor}\` and \`{operator}\` become names`,
});

export function addCannedTextEndpoints(api: Api, access: Access<Caller>): void {
  const { cannedTexts } = api.deps;
  const tag = 'Operators';
  const path = '/v1/{tenant}/canned-texts/{name}';
  const params = z.object({ name: CannedName });

  addCommand(
    api,
    {
      method: 'put',
      path,
      operationId: 'putCannedText',
      tag,
      summary: 'Save a canned text',
      description: `Operators send it with \`!canned\` and its name. A tenant has at most ${MAX_CANNED_TEXTS}.
The same request again changes nothing.`,
      access,
      params,
      body: PutCannedText,
      command: true,
      success: ACCEPTED,
    },
    (call) => {
      const { caller, params: of, body } = call;
      const wish = { name: of.name, text: body.text };
      const work = cannedTexts.save(caller.tenant.id, wish, null, originOf(api, call));
      return answerCommand(api, 'SaveCannedText', work);
    },
  );

  addCommand(
    api,
    {
      method: 'delete',
      path,
      operationId: 'removeCannedText',
      tag,
      summary: 'Remove a canned text',
      access,
      params,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { caller, params: of } = call;
      const work = cannedTexts.remove(caller.tenant.id, of.name, null, originOf(api, call));
      return answerCommand(api, 'RemoveCannedText', work);
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path,
      operationId: 'getCannedText',
      tag,
      summary: 'One canned text',
      access,
      params,
      query: z.strictObject({}),
      success: { status: 200, description: 'The text', schema: CannedText },
      problems: [404],
    },
    async ({ caller: { tenant }, params: { name } }) => {
      const text = await cannedTexts.get(tenant.id, name);
      if (!text) throw new AppError('not-found', 'there is no canned text of this name');
      return { status: 200, json: { ...text } };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/canned-texts',
      operationId: 'listCannedTexts',
      tag,
      summary: 'All canned texts, by name',
      access,
      query: z.strictObject({}),
      success: {
        status: 200,
        description: 'All of them',
        schema: z.object({ items: z.array(CannedText) }),
      },
    },
    async ({ caller: { tenant } }) => ({
      status: 200,
      json: { items: await cannedTexts.all(tenant.id) },
    }),
  );
}
