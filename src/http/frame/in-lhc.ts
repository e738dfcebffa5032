/** People who work in LHC's own pages, in answers. */
import { z } from '@hono/zod-openapi';
import type { InLhc as Person } from '../../projections/in-lhc.ts';

export const InLhc = z
  .object({
    lhcUserId: z.int().openapi({ description: '0 and -1: LHC itself, -2: a bot' }),
    name: z.string().nullable(),
  } satisfies Record<keyof Person, z.ZodType>)
  .nullable()
  .openapi({ description: "A person in LHC's own pages; null if it is nobody there" });
