/** The whole look of the API page: the reader's own fonts, and the reader's choice of light or dark. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --text: #1c2024; --quiet: #4d5560; --ground: #ffffff; --raised: #f3f5f7; --line: #d5dae0;
  --link: #0b5cad; --method: #0f6b4f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ed; --quiet: #aab3be; --ground: #14171a; --raised: #1e2327; --line: #353c43;
    --link: #7db8f5; --method: #6fd6b0;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; display: grid; grid-template-columns: 18rem minmax(0, 1fr);
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
}
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1rem 1.25rem;
  background: var(--raised); border-right: 1px solid var(--line);
}
nav h2 { margin: 1.25rem 0 0.25rem; font-size: 0.8rem; color: var(--quiet); }
nav ul { margin: 0; padding: 0; list-style: none; font-size: 0.9rem; }
nav li { padding: 0.1rem 0; }
main { padding: 1rem 2rem 6rem; max-width: 62rem; }
main:focus { outline: none; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 0.5rem; top: 0.5rem; z-index: 1; padding: 0.5rem; background: var(--ground); }
article { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid var(--line); }
h1, h2, h3, h4 { line-height: 1.25; }
h4 { margin: 1.25rem 0 0.25rem; }
h4 span, dt span, summary { font-weight: normal; color: var(--quiet); }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { padding: 0.75rem 1rem; overflow-x: auto; background: var(--raised); border: 1px solid var(--line); }
pre code { overflow-wrap: normal; }
.method { color: var(--method); }
dl { margin: 0; }
dt { margin-top: 0.5rem; font-weight: 600; }
dd { margin: 0 0 0 1.25rem; }
dd p, .schema p { margin: 0.1rem 0; }
.schema .schema { padding-left: 0.75rem; border-left: 1px solid var(--line); }
@media (max-width: 50rem) {
  body { display: block; }
  nav { position: static; height: auto; max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1rem; }
}
`
