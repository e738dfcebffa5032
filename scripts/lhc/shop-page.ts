/** A page of a shop with LHC's widget. */

/**
 * @param lhc LHC's address
 * @returns HTML. `check_messages:true` lets the widget look for invitations every 10 s, and not only when a page is loaded
 */
export const shopPage = (lhc: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Shoes – a small shop</title>
<link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
nav a { margin-right: 1rem }
.shoe { background: #f2efe9; border-radius: .5rem; padding: 1rem 1.5rem; margin: 1rem 0 }
</style>
</head>
<body>
<nav><a href="/">Shoes</a><a href="/boots">Boots</a><a href="/shipping">Shipping</a></nav>
<h1>A small shop</h1>
<div class="shoe"><h2>Walking shoe</h2><p>Leather, in black and brown, sizes 36 to 46.</p></div>
<div class="shoe"><h2>Running shoe</h2><p>Light, in blue, sizes 38 to 45.</p></div>
<script>
const names = { '/boots': 'Boots', '/shipping': 'Shipping' };
document.title = (names[location.pathname] ?? 'Shoes') + ' – a small shop';
var LHC_API = LHC_API || {};
LHC_API.args = { mode: 'widget', lhc_base_url: '${lhc}/', wheight: 450, wwidth: 350, pheight: 520, pwidth: 500, check_messages: true };
const script = document.createElement('script');
script.async = true;
script.crossOrigin = 'anonymous';
script.src = LHC_API.args.lhc_base_url + 'design/defaulttheme/js/widgetv2/index.js?' + Date.now();
document.head.appendChild(script);
</script>
</body>
</html>
`;
