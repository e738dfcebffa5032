import type { Page, PageRequest } from './list.ts';
import { nextTurn } from './turns.ts';

/** Scans for one page at most. Each scan reads up to 2,000 rows (list.ts). */
export const MAX_SCANS_PER_PAGE = 100;

/**
 * Fills a page by several scans. Between two scans the event loop serves others. If few rows match, the page ends early
 * and `next` goes on after the last row that was read.
 * @param request `tenant`: whose query it is. Tenants take turns
 */
export async function scanForPage<Row>(
  request: PageRequest & { readonly tenant?: string | undefined },
  scan: (request: PageRequest) => Page<Row>,
): Promise<Page<Row>> {
  const items: Row[] = [];
  let { cursor } = request;
  for (let scans = 1; ; scans++) {
    const page = scan({ cursor, limit: request.limit - items.length });
    items.push(...page.items);
    const { next } = page;
    if (next === null || items.length >= request.limit || scans === MAX_SCANS_PER_PAGE) {
      return { items, next };
    }
    cursor = next;
    await nextTurn(request.tenant);
  }
}
