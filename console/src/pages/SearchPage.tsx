import { PageHeading } from '../ui/page.tsx';

export function SearchPage() {
  return <PageHeading title="Search" />;
}
