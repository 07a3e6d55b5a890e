"""The one style sheet of an HTML report: light and dark, narrow and wide, screen and paper."""

CSS = """\
:root {
  color-scheme: light dark;
  --bg: #ffffff; --fg: #1c2430; --muted: #56606e; --line: #d5dae1; --panel: #f4f6f9;
  --good: #2f6fab; --bad: #b3261e; --bad-bg: #fdeceb; --ok: #14632e; --ok-bg: #e7f4eb; --warn: #7d4b00;
  --warn-bg: #fff4dd; --shade: #b3261e14;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --bg: #12161c; --fg: #e6eaf0; --muted: #a9b3c0; --line: #38424f; --panel: #1a2028;
    --good: #6fb1f0; --bad: #ff8f85; --bad-bg: #3a1b1b; --ok: #7fdca0; --ok-bg: #16301f; --warn: #f2ba68;
    --warn-bg: #372a12; --shade: #ff8f851f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1120px; padding: 1.25rem clamp(.75rem, 3vw, 2.5rem) 3rem;
  background: var(--bg); color: var(--fg); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: clamp(1.3rem, 4vw, 1.9rem); line-height: 1.2; margin: .25rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.25rem 0 .4rem; }
p, ul, ol, dl, pre, figure, table { margin: .5rem 0; }
ul, ol { padding-left: 1.4rem; }
li { margin: .25rem 0; }
code, pre { font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { background: var(--panel); padding: .05rem .3rem; border-radius: .25rem; }
pre code { display: block; width: max-content; min-width: 100%; background: none; padding: 0; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem;
  overflow-x: auto; overflow-wrap: normal; white-space: pre; tab-size: 4; }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-weight: 600; font-size: .9rem;
  background: var(--ok-bg); color: var(--ok); }
.trouble .badge { background: var(--bad-bg); color: var(--bad); }
.draft, figcaption, .muted { color: var(--muted); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; }
dt { font-weight: 600; color: var(--muted); }
dd { margin: 0; }
.decided { background: var(--bad-bg); border-left: .3rem solid var(--bad); padding: .6rem .9rem;
  border-radius: .3rem; }
.decided p { margin: .2rem 0; }
.timeline { list-style: none; padding: 0; }
.timeline > li { display: grid; grid-template-columns: 9.5rem 1fr; gap: 0 1rem;
  padding: .2rem .5rem; margin: 0;
  border-left: .2rem solid var(--line); }
.timeline > li.failed { border-color: var(--bad); background: var(--bad-bg); }
.timeline time { color: var(--muted); font-variant-numeric: tabular-nums; }
.timeline .failed time { color: inherit; }
.timeline code { display: block; margin: .2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; overflow-wrap: normal; }
caption { text-align: left; color: var(--muted); padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td { overflow-wrap: anywhere; min-width: 6rem; }
.add { color: var(--ok); background: var(--ok-bg); }
.del { color: var(--bad); background: var(--bad-bg); }
.at { color: var(--muted); }
.line { display: block; min-height: 1.5em; }
figure { padding: .6rem 0; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--muted); }
svg text.name { fill: var(--fg); }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--muted); }
svg .wave { stroke: var(--fg); stroke-dasharray: 4 3; }
svg .shade { fill: var(--shade); }
svg .good, .key .good { fill: var(--good); background: var(--good); }
svg .bad { fill: var(--bad); }
svg .hatch { stroke: var(--bg); stroke-width: 2; }
svg .restored { fill: var(--warn); }
svg .kept { fill: var(--good); }
svg .unknown { fill: var(--bad); }
.narrow { display: none; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0; font-size: .9rem; }
.key i { display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem; vertical-align: -.1rem; }
.key .bad { background: repeating-linear-gradient(45deg, var(--bad) 0 4px, var(--bg) 4px 6px); }
.key .restored { background: var(--warn); }
.key .kept { background: var(--good); }
.key .unknown { background: var(--bad); }
.key .shade { background: var(--shade); border: 1px solid var(--line); }
details summary { cursor: pointer; }
footer { margin-top: 3rem; color: var(--muted); font-size: .875rem; }
@media (max-width: 640px) {
  .wide { display: none; }
  .narrow { display: block; }
  .timeline > li { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  pre code { width: auto; }
  h2, h3 { break-after: avoid; }
  figure, li, tr, .decided { break-inside: avoid; }
  .badge, .decided, .timeline > li.failed, .add, .del, svg * { print-color-adjust: exact; }
  .wide { display: block; }
  .narrow { display: none; }
}
"""
