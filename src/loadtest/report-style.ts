/** The look of reports, light and dark. Colours of series differ in lightness as well as in hue. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1c2128; --soft: #57606a; --rule: #d8dee4; --card: #f6f8fa; --warn: #9a6700;
  --s0: #0969da; --s1: #1a7f37; --s2: #bf5600; --s3: #8250df; --s4: #cf222e; --s5: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --text: #e6edf3; --soft: #9198a1; --rule: #30363d; --card: #161b22; --warn: #d29922;
    --s0: #58a6ff; --s1: #3fb950; --s2: #f0883e; --s3: #bc8cff; --s4: #ff7b72; --s5: #9198a1;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 1240px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 0.25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
p { margin: 0.4rem 0; max-width: 75ch; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.warning { color: var(--warn); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.25rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 0.75rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tr.knee td { background: var(--card); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 1rem; }
figure { margin: 0; padding: 0.9rem 1rem 0.5rem; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
figcaption { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; min-height: 1.5rem; font-size: 13px; color: var(--soft); }
.key::before {
  content: ""; display: inline-block; width: 0.9rem; height: 0.2rem; margin-right: 0.4rem;
  vertical-align: middle; background: currentColor;
}
.key::before { background: var(--series); }
.key.reference::before { background: repeating-linear-gradient(90deg, var(--soft) 0 4px, transparent 4px 7px); }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--rule); }
.tick { fill: var(--soft); font-size: 11px; }
.label { fill: var(--soft); font-size: 12px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.mark { stroke: var(--soft); stroke-dasharray: 2 3; }
.line { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
.line.reference { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 4; }
.dot.dense { opacity: 0; }
.dot.dense:hover { opacity: 1; }
.area { fill: var(--series); opacity: 0.16; }
.dot, .bar { fill: var(--series); }
.s0 { --series: var(--s0); } .s1 { --series: var(--s1); } .s2 { --series: var(--s2); }
.s3 { --series: var(--s3); } .s4 { --series: var(--s4); } .s5 { --series: var(--s5); }
`;
